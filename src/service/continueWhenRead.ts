import type { IncomingMessage, ServerResponse } from "node:http"

/**
 * Sends `100 Continue` only when somebody reads the body, so that a refused body is never sent (RFC 9110, 10.1.1). If
 * nobody reads it, the connection ends with the answer, because the body may still come.
 */
export const continueWhenRead = (request: IncomingMessage, response: ServerResponse, mayGoOn: () => boolean): void => {
  const keepsAlive = response.shouldKeepAlive
  response.shouldKeepAlive = false
  const read = request._read.bind(request)
  let isRead = false
  request._read = (size) => {
    if (!isRead && !response.headersSent) {
      response.shouldKeepAlive = keepsAlive && mayGoOn()
      response.writeContinue()
    }
    isRead = true
    read(size)
  }
}
