/** The content of a file, as far as it can be shown. It is never run. */
import { call, fileUrl } from "./api.js"
import { make } from "./dom.js"
import { isFilm, isImage, isPdf, isSound, isText } from "./kinds.js"
import { bytes } from "./words.js"

/** @typedef {import("./types.d.ts").ConversationFile} ConversationFile */

/** Only this much of a longer text is shown. */
const longestText = 65_536

/** @param {ConversationFile} file */
export const isShown = ({ mimeType }) => [isFilm, isImage, isPdf, isSound, isText].some((isThis) => isThis(mimeType))

/**
 * An element, and the function to call when it is not needed any more.
 * @param {ConversationFile} file
 * @returns {Promise<{ readonly element: HTMLElement, readonly release: () => void }>}
 */
export const contentOf = async (file) => {
  const { mimeType, name } = file
  if (isText(mimeType)) return { element: await textOf(file), release: () => {} }
  const src = URL.createObjectURL(await (await call("file", fileUrl(file, "/content"))).blob())
  const release = () => URL.revokeObjectURL(src)
  if (isImage(mimeType)) return { element: make("img", { src, alt: name }), release }
  if (isPdf(mimeType)) return { element: make("iframe", { src: `${src}#navpanes=0`, title: name }), release }
  return { element: make(isSound(mimeType) ? "audio" : "video", { src, controls: true, ariaLabel: name }), release }
}

/** @param {ConversationFile} file */
const textOf = async (file) => {
  const isLong = file.size > longestText
  const part = isLong ? { headers: { range: `bytes=0-${longestText - 1}` } } : {}
  const text = await (await call("file", fileUrl(file, "/content"), part)).text()
  const pre = make("pre", { tabIndex: 0, ariaLabel: `Text of ${file.name}`, role: "region" }, text)
  if (!isLong) return pre
  const rest = make("p", { className: "soft" }, `This is the beginning: ${bytes(longestText)} of ${bytes(file.size)}.`)
  return make("div", { className: "text" }, pre, rest)
}
