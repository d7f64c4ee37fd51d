/** Which reader can take the text out of a file, by its type and its name. */

export const kinds = ["text", "html", "pdf", "word", "sheets", "slides", "document"] as const

export type Kind = (typeof kinds)[number]

const office = "application/vnd.openxmlformats-officedocument"
const open = "application/vnd.oasis.opendocument"

const byType: Readonly<Record<string, Kind>> = {
  "text/html": "html",
  "application/xhtml+xml": "html",
  "application/pdf": "pdf",
  [`${office}.wordprocessingml.document`]: "word",
  [`${office}.wordprocessingml.template`]: "word",
  "application/vnd.ms-word.document.macroenabled.12": "word",
  [`${office}.spreadsheetml.sheet`]: "sheets",
  [`${office}.spreadsheetml.template`]: "sheets",
  "application/vnd.ms-excel.sheet.macroenabled.12": "sheets",
  [`${office}.presentationml.presentation`]: "slides",
  [`${office}.presentationml.slideshow`]: "slides",
  "application/vnd.ms-powerpoint.presentation.macroenabled.12": "slides",
  [`${open}.text`]: "document",
  [`${open}.spreadsheet`]: "document",
  [`${open}.presentation`]: "document"
}

/** Those with macros are read like the others: nothing in them runs. */
const extensions: Readonly<Record<Exclude<Kind, "text">, string>> = {
  html: "html htm xhtml",
  pdf: "pdf",
  word: "docx docm dotx dotm",
  sheets: "xlsx xlsm xltx xltm",
  slides: "pptx pptm ppsx ppsm potx",
  document: "odt ott ods ots odp otp"
}

const byExtension: ReadonlyMap<string, Kind> = new Map(
  kinds.flatMap((kind) => (kind === "text" ? [] : extensions[kind].split(" ").map((one) => [one, kind] as const)))
)

/** RTF is text with so much between that words would not be found. */
const textTypes =
  /^(text\/(?!rtf$|richtext$)|application\/(.+\+)?(json|xml|x-ndjson|jsonl|yaml|x-yaml|toml|javascript|ecmascript|typescript|sql|graphql|x-sh|x-httpd-php)$)/

const textExtensions = new Set(
  (
    "txt text md markdown mdx rst adoc org tex log csv tsv json jsonl ndjson json5 yaml yml toml ini cfg conf env " +
    "properties xml svg js mjs cjs jsx ts mts cts tsx vue svelte css scss less py pyi rb php java kt kts scala groovy " +
    "go rs c h cc cpp cxx hpp cs fs swift m mm r jl lua pl pm sh bash zsh fish ps1 bat sql graphql proto tf hcl nix " +
    "dart ex exs erl hs clj cljs lisp el vim asm s zig diff patch srt vtt"
  ).split(" ")
)

const textNames = new Set(["dockerfile", "makefile", "license", "readme", "changelog", "gemfile", "rakefile"])

/** Undefined if no reader can: images, archives and the like. */
export const kindOf = (mimeType: string | null, filename: string): Kind | undefined => {
  const type = (mimeType ?? "").split(";")[0]?.trim().toLowerCase() ?? ""
  const name = filename.toLowerCase()
  const extension = name.includes(".") ? name.slice(name.lastIndexOf(".") + 1) : ""
  const given = byType[type] ?? byExtension.get(extension)
  if (given !== undefined) return given
  return textTypes.test(type) || textExtensions.has(extension) || textNames.has(name) ? "text" : undefined
}
