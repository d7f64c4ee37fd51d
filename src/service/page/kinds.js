/** What can be shown of a file without running any of it. */

/** @param {string} mimeType */
export const isImage = (mimeType) => /^image\/(png|jpeg|gif|webp|avif)$/.test(mimeType)
/** @param {string} mimeType */
export const isText = (mimeType) => /^(text\/.+|application\/(json|xml|yaml|x-yaml|javascript|sql))$/.test(mimeType)
/** What the service accepts as a text. @param {string} mimeType */
export const isWritable = (mimeType) => /^(text\/.+|application\/json)$/.test(mimeType)
/** @param {string} mimeType */
export const isPdf = (mimeType) => mimeType === "application/pdf"
/** @param {string} mimeType */
export const isSound = (mimeType) => mimeType.startsWith("audio/")
/** @param {string} mimeType */
export const isFilm = (mimeType) => mimeType.startsWith("video/")
