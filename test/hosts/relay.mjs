/** Takes connections on a Unix socket of this machine, and continues each from its host: `<socket> <host> <port>`. */
import { connect, createServer } from "node:net"

const [socket, host, port] = process.argv.slice(2)

createServer((near) => {
  const far = connect(Number(port), host)
  for (const [one, other] of [
    [near, far],
    [far, near]
  ]) {
    one.pipe(other)
    one.on("error", () => other.destroy())
    one.on("close", () => other.destroySoon())
  }
}).listen(socket, () => console.log("relays"))
