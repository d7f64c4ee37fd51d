/** Finds rows of the list on the screen: where the focus goes after something was done with a file. */

/** @param {string} fileId */
export const rowFor = (fileId) => document.querySelector(`#files [data-file-id="${CSS.escape(fileId)}"]`)

const heading = () => document.querySelector("#files-heading")

/** The menu of a file. @param {{ readonly fileId: string }} file */
export const menuOf = ({ fileId }) => rowFor(fileId)?.querySelector("[aria-haspopup]") ?? heading()

/**
 * Remembers the row beside these files, for the time when theirs are gone.
 * @param {ReadonlyArray<{ readonly fileId: string }>} files
 */
export const besideThese = (files) => {
  const theirs = new Set(files.map(({ fileId }) => rowFor(fileId)))
  const rows = [...document.querySelectorAll("#files > li")]
  const last = rows.findLastIndex((row) => theirs.has(row))
  const others = [...rows.slice(last + 1), ...rows.slice(0, Math.max(0, last)).reverse()]
  const beside = others.find((row) => !theirs.has(row))
  const fileId = beside instanceof HTMLElement ? beside.dataset["fileId"] : undefined
  // The row may be drawn anew by then.
  return () => (fileId === undefined ? undefined : rowFor(fileId)?.querySelector(".actions button")) ?? heading()
}
