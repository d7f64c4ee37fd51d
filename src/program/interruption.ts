/** The exit code of the shell for a program that a signal stops. */

/** The number of the signal that stops us. */
let signal = 0
process.once("SIGINT", () => {
  signal = 2
})
process.once("SIGTERM", () => {
  signal = 15
})

export const interruptionCode = (): number => 128 + signal
