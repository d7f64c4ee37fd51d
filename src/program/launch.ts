#!/usr/bin/env node
/** The command `database-ready`. */
import { launch } from "../build/launch.ts"

launch({
  name: "program",
  isTypical: process.argv[2] === "init",
  isImporting: Boolean(process.env["DATABASE_ON_OPEN"]) || process.argv.some((word) => word.startsWith("--on-open"))
})
