/** The picture of a file in the list: a small image, or otherwise the ending of its name. */
import { call, fileUrl } from "./api.js"
import { make } from "./dom.js"
import { isImage } from "./kinds.js"

/** @typedef {import("./types.d.ts").ConversationFile} ConversationFile */

/**
 * Pixels of a side, for screens with double resolution; the most bytes of an image to load; pictures kept in memory.
 */
const side = 96
const largest = 8 * 1024 * 1024
const kept = 400

/** By content hash, so that nothing is read twice. @type {Map<string, Promise<ImageBitmap>>} */
const pictures = new Map()
/** @type {WeakMap<Element, ConversationFile>} */
const files = new WeakMap()

let reading = 0
/** @type {Array<() => void>} */
const waiting = []
/**
 * Two at once, so that uploads and the user's requests come first.
 * @template T
 * @param {() => Promise<T>} work
 */
const inTurn = async (work) => {
  if (reading >= 2) await new Promise((resolve) => waiting.push(() => resolve(undefined)))
  reading += 1
  try {
    return await work()
  } finally {
    reading -= 1
    waiting.shift()?.()
  }
}

/** @param {ConversationFile} file */
const pictureOf = (file) => {
  const known = pictures.get(file.sha256)
  if (known !== undefined) return known
  const picture = inTurn(async () => {
    const image = await createImageBitmap(await (await call("file", fileUrl(file, "/content"))).blob())
    const scale = Math.min(1, side / Math.min(image.width, image.height))
    return createImageBitmap(image, {
      resizeWidth: Math.max(1, Math.round(image.width * scale)),
      resizeHeight: Math.max(1, Math.round(image.height * scale)),
      resizeQuality: "medium"
    }).finally(() => image.close())
  })
  pictures.set(file.sha256, picture)
  for (const oldest of pictures.keys()) {
    if (pictures.size <= kept) break
    pictures.delete(oldest)
  }
  return picture
}

/**
 * @param {Element} frame
 * @param {ConversationFile} file
 */
const draw = async (frame, file) => {
  try {
    const picture = await pictureOf(file)
    const canvas = make("canvas", { width: picture.width, height: picture.height })
    canvas.getContext("2d")?.drawImage(picture, 0, 0)
    frame.replaceChildren(canvas)
  } catch {
    // It is not an image, or cannot be read now. The ending of its name stays.
    pictures.delete(file.sha256)
  }
}

/** Only images in sight are read. */
const inSight = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    const file = files.get(target)
    if (!isIntersecting || file === undefined) continue
    inSight.unobserve(target)
    draw(target, file)
  }
})

/** @param {ConversationFile} file */
export const thumbnailOf = (file) => {
  const ending = /\.([A-Za-z0-9]{1,5})$/.exec(file.name)?.[1] ?? "file"
  const frame = make("span", { className: "kind", ariaHidden: "true" }, ending.toLowerCase())
  if (file.deletedAt === null && isImage(file.mimeType) && file.size <= largest) {
    files.set(frame, file)
    inSight.observe(frame)
  }
  return frame
}
