/** The floor: a bare `node:http` handler that does the same work on files, and nothing else. */
import { createHash, randomUUID } from "node:crypto"
import { createReadStream, mkdirSync } from "node:fs"
import { open, rename } from "node:fs/promises"
import { createServer } from "node:http"
import { dirname, join } from "node:path"
import * as Multipasta from "multipasta/node"

const directory = process.argv[2] ?? "."
const names: Array<string> = []
for (let shelf = 0; shelf < 256; shelf += 1) {
  mkdirSync(join(directory, shelf.toString(16).padStart(2, "0")), { recursive: true })
}
const pathOf = (sha256: string) => join(directory, sha256.slice(0, 2), sha256)

/** Writes to a temporary name, flushes, renames, and flushes the directory. */
const keep = async (content: AsyncIterable<Uint8Array>): Promise<string> => {
  const temporary = join(directory, randomUUID())
  const file = await open(temporary, "wx")
  const hash = createHash("sha256")
  for await (const chunk of content) {
    hash.update(chunk)
    await file.write(chunk)
  }
  await file.sync()
  await file.close()
  const sha256 = hash.digest("hex")
  await rename(temporary, pathOf(sha256))
  const shelf = await open(dirname(pathOf(sha256)))
  await shelf.sync()
  await shelf.close()
  return sha256
}

const server = createServer((request, response) => {
  const json = (status: number, body: unknown) =>
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
  if (request.method === "POST") {
    const parts = Multipasta.make({ headers: request.headers })
    parts.on("file", (file) => {
      keep(file).then(
        (fileId) => {
          names.push(fileId)
          json(201, { fileId })
        },
        (error: unknown) => json(500, { error: String(error) })
      )
    })
    request.pipe(parts)
    return
  }
  const [, , kind, fileId = "", what] = (request.url ?? "").split("/")
  if (what === "download") {
    response.writeHead(200, { "content-type": "application/octet-stream" })
    createReadStream(pathOf(fileId)).pipe(response)
  } else {
    json(200, kind === "sessions" ? { files: names.slice(-50) } : { status: "pass" })
  }
})

server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  if (address !== null && typeof address === "object") console.log(`serving  http://127.0.0.1:${address.port}`)
})
