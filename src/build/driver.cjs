/**
 * `better-sqlite3` for the bundle: its JavaScript comes out of the code cache, which saves a tenth of a start's
 * CPU. Where another release is installed than the one that was bundled, that one is taken whole: the addon and
 * its JavaScript belong together.
 */
const load = require
const bundled = require("../../node_modules/better-sqlite3/package.json")
const installed = load("better-sqlite3/package.json")

module.exports =
  bundled.version === installed.version
    ? require("../../node_modules/better-sqlite3/lib/index.js")
    : load("better-sqlite3")
