/** Where the shown file is in the list. One that somebody removes keeps its place, so that next and previous go on. */
import { list } from "./list.js"

/** @typedef {import("./types.d.ts").ConversationFile} ConversationFile */

/** Where it was last. */
let spot = -1
export const forgetPlace = () => {
  spot = -1
}

/** Below zero if it is not in the list. @param {{ readonly fileId: string }} file */
export const placeOf = ({ fileId }) => {
  const index = list.files.findIndex((file) => file.fileId === fileId)
  if (index >= 0) spot = index
  return index
}

/**
 * The next or the previous file. The place of one that is gone has the next one.
 * @param {ConversationFile} file
 * @param {number} step
 */
export const besides = (file, step) => {
  const index = placeOf(file)
  if (index >= 0) return list.files[index + step]
  return spot < 0 ? undefined : list.files[step > 0 ? spot : spot - 1]
}
