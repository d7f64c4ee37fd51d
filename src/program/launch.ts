#!/usr/bin/env node
import { bundle } from "../build/bundle.ts"
/** What `database-ready` is on the command line: most command lines need none of what explains the others. */
import { plainArguments } from "./arguments.ts"

const { compile, run } = bundle(plainArguments(process.argv.slice(2), process.env) === undefined ? "program" : "direct")
run(compile())
