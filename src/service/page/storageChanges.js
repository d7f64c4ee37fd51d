/** Something was stored or deleted: loads sessions and space again, once for many changes. */

/** @type {Array<() => void>} */
const listeners = []
/** @param {() => void} listener */
export const whenStorageChanges = (listener) => {
  listeners.push(listener)
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let soon
export const announceStorageChange = () => {
  clearTimeout(soon)
  soon = setTimeout(() => {
    for (const listener of listeners) listener()
  }, 300)
}
