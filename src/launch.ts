#!/usr/bin/env node
/** What `database-ready` is on the command line: most command lines need none of what explains the others. */
import { plainArguments } from "./arguments.ts"
import { bundle } from "./bundle.ts"

const { compile, run } = bundle(plainArguments(process.argv.slice(2), process.env) === undefined ? "program" : "direct")
run(compile())
