#!/usr/bin/env node
/** What `database-ready` is on the command line. */
import { compile, run } from "./bundle.ts"

run(compile())
