/** Text that a user wrote and has not saved. Nothing may throw it away unasked. */

/** @type {Array<() => boolean>} */
const checks = []
/** @param {() => boolean} check whether there is such a text */
export const whenUnsaved = (check) => {
  checks.push(check)
}
export const hasUnsavedText = () => checks.some((check) => check())

addEventListener("beforeunload", (event) => {
  if (hasUnsavedText()) event.preventDefault()
})
