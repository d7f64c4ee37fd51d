/** What `npm start` runs: the conversation-files service. */
import { bundle } from "../build/bundle.ts"

const { compile, run } = bundle("service")
run(compile())
