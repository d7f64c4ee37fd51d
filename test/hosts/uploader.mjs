/** Uploads a file in two halves. Between them it says so, and waits for a line of its input. */
import { createHash } from "node:crypto"
import { request } from "node:http"

const { SERVICE_TOKEN, SERVICE_URL, SESSION } = process.env

const content = Buffer.alloc(8 * 1024 * 1024, "a line of a long text\n")
const form = new FormData()
form.append("file", new Blob([content], { type: "text/plain" }), "long.txt")
const encoded = new Response(form)
const body = Buffer.from(await encoded.arrayBuffer())

const headers = {
  authorization: `Bearer ${SERVICE_TOKEN}`,
  "content-type": encoded.headers.get("content-type"),
  "content-length": body.length
}
const sent = request(`${SERVICE_URL}/api/sessions/${SESSION}/files`, { method: "POST", headers }, async (response) => {
  let text = ""
  for await (const part of response.setEncoding("utf8")) text += part
  const sha256 = createHash("sha256").update(content).digest("hex")
  console.log(JSON.stringify({ status: response.statusCode, sha256, answer: JSON.parse(text) }))
  process.exit()
})
const middle = body.length / 2
sent.write(body.subarray(0, middle), () => console.log("half"))
process.stdin.once("data", () => sent.end(body.subarray(middle)))
