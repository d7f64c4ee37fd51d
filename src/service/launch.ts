/** What `npm start` runs: the conversation-files service. */
import { launch } from "../build/launch.ts"

// Flushing an upload blocks a thread as long as the disk takes. With the default of four threads, a few uploads would
// delay all other file access. Node.js reads this when it first needs a thread, which is later.
process.env["UV_THREADPOOL_SIZE"] ??= "16"

launch({ name: "service", isTypical: true })
