/** What `npm start` runs: the conversation-files service. */
import { launch } from "../build/launch.ts"

// A thread that flushes an upload is taken for as long as the disk takes; with Node.js' four of them a few uploads would
// make every other look at the disk wait. Read when the first thread is needed, which is after this.
process.env["UV_THREADPOOL_SIZE"] ??= "16"

launch({ name: "service", isTypical: true })
