/** Starts the bundled worker as the programs of this library start; the first run keeps what V8 compiled. */
import { launch } from "../../src/build/launch.ts"

launch({ name: "bundledWorker", isTypical: true })
