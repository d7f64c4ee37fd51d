/**
 * `better-sqlite3` for the bundle. Its JavaScript comes out of the code cache, which saves a tenth of the CPU of a
 * start. If another release is installed than the bundled one, all of that release is used: the addon and its
 * JavaScript belong together.
 */
const load = require
const bundled = require("../../node_modules/better-sqlite3/package.json")
const installed = load("better-sqlite3/package.json")

module.exports =
  bundled.version === installed.version
    ? require("../../node_modules/better-sqlite3/lib/index.js")
    : load("better-sqlite3")
