/**
 * Uploads 1500 bytes in chunks of one byte, one after the other, in a thread of its own: the service goes on standing still
 * meanwhile. Counts in `sent` where it is: 1 when the upload has begun, 2 when all of it is sent. Posts the answer.
 */
import { connect } from "node:net"
import { setTimeout } from "node:timers/promises"
import { parentPort, workerData } from "node:worker_threads"

const { head, port, sent } = workerData
const reach = (value) => {
  Atomics.store(sent, 0, value)
  Atomics.notify(sent, 0)
}
const inChunks = (bytes) => [...bytes].map((byte) => `1\r\n${byte}\r\n`).join("")

let answer = ""
const socket = connect(port, "127.0.0.1")
socket
  .setNoDelay(true)
  .setEncoding("utf8")
  .on("data", (data) => {
    answer += data
    if (answer.includes("}")) parentPort.postMessage(answer)
  })
socket.on("error", (error) => parentPort.postMessage(String(error)))
socket.write(head + inChunks('--X\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'))
await setTimeout(20)
reach(1)
for (let n = 0; n < 60; n += 1) {
  for (let m = 0; m < 25; m += 1) socket.write(inChunks("x"))
  await setTimeout(5)
}
socket.write(`${inChunks("\r\n--X--\r\n")}0\r\n\r\n`)
reach(2)
