/** How a program ends that a signal stops. */
import { exitCode } from "../../layers/index.ts"

/** The number of the signal that stops us. */
let signal = 0
process.once("SIGINT", () => {
  signal = 2
})
process.once("SIGTERM", () => {
  signal = 15
})

let isServing = false

/** From now on a signal is the way to end: a program that serves has done its work when it is stopped. */
export const serveUntilStopped = (): void => {
  isServing = true
}

/** Whether the signal came while the program served, and so is not an interruption of its work. */
export const wasServing = (): boolean => isServing

/** 0 for a program that served; else the exit code of the shell for a program that a signal stops. */
export const interruptionCode = (): number => (isServing ? exitCode.ready : 128 + signal)
