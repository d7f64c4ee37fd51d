/**
 * Replaces `bindings` in the bundle: loads the addon from where its package builds it, and searches elsewhere only if
 * it is not there.
 */
const { createRequire } = require("node:module")
const { dirname } = require("node:path")

const load = require

module.exports = (addon) => {
  const driver = load.resolve("better-sqlite3/package.json")
  const found = `${dirname(driver)}/build/Release/${addon}`
  try {
    return load(found)
  } catch (thrown) {
    if (thrown.code !== "MODULE_NOT_FOUND") throw thrown
    return createRequire(driver)("bindings")({ bindings: addon, module_root: dirname(driver) })
  }
}
