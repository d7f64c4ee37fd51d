/** Files may be dropped anywhere. Without this, a browser would leave the page to open them. */
import { box } from "./dom.js"
import { tell } from "./message.js"
import { upload } from "./uploadView.js"

let inside = 0
/** @param {number} change */
const over = (change) => {
  inside = change === 0 ? 0 : inside + change
  box("drop").classList.toggle("over", inside > 0)
}
/** @param {DragEvent} event */
const hasFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files") === true

addEventListener("dragenter", (event) => hasFiles(event) && over(1))
addEventListener("dragleave", (event) => hasFiles(event) && over(-1))
addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault())
addEventListener("drop", (event) => {
  const { dataTransfer } = event
  if (dataTransfer === null || !hasFiles(event)) return
  event.preventDefault()
  over(0)
  const hasFolder = [...dataTransfer.items].some((item) => item.webkitGetAsEntry?.()?.isDirectory)
  if (hasFolder) return tell("Folders cannot be uploaded. Choose the files in them.", { isProblem: true })
  upload([...dataTransfer.files])
})
