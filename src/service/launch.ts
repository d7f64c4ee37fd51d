/** What `npm start` runs: the conversation-files service. */
import { launch } from "../build/launch.ts"

launch({ name: "service", isTypical: true })
