/** Something was stored or deleted: what is told of sessions and space is read again, once for many changes. */

/** @type {Array<() => void>} */
const listeners = []
/** @param {() => void} listener */
export const whenStorageChanges = (listener) => {
  listeners.push(listener)
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let soon
export const storageChanged = () => {
  clearTimeout(soon)
  soon = setTimeout(() => {
    for (const listener of listeners) listener()
  }, 300)
}
