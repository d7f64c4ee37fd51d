#!/usr/bin/env node
/** What `database-ready` is on the command line. */
import { launch } from "../build/launch.ts"

launch({ name: "program", isTypical: process.argv[2] === "init" })
