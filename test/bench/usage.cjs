/** Loaded before a program. When that ends, it writes its usage to descriptor 3. */
const { writeSync } = require("node:fs")

process.on("exit", () => {
  const { maxRSS, systemCPUTime, userCPUTime } = process.resourceUsage()
  writeSync(3, JSON.stringify([(userCPUTime + systemCPUTime) / 1000, (maxRSS * 1024) / 1e6]))
})
