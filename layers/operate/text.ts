/** Texts of reports. */

/** Bytes as people read them. */
export const bytesText = (bytes: number): string => {
  const [unit = "B", size = 1] = units.find(([, size]) => bytes >= size) ?? []
  const count = bytes / size
  return `${size === 1 || count >= 100 ? Math.round(count) : count.toFixed(1)} ${unit}`
}

const units: ReadonlyArray<readonly [string, number]> = [
  ["GB", 1e9],
  ["MB", 1e6],
  ["kB", 1e3]
]

/** Names and SQL can have characters that move the cursor of a terminal. */
export const printable = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (character) =>
    character === "\r" ? "" : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )
