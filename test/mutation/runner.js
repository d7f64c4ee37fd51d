/**
 * Runs the tests in test/schema for Stryker: all in one process, evaluated anew for each mutant. Vitest starts a worker
 * for each, which takes fifty times as long; there are thousands.
 */
import { readdirSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { performance } from "node:perf_hooks"
import { Script } from "node:vm"
import { declareFactoryPlugin, PluginKind, tokens } from "@stryker-mutator/api/plugin"
import { DryRunStatus, determineHitLimitReached, TestStatus, toMutantRunResult } from "@stryker-mutator/api/test-runner"

const folder = "test/schema"
/** What is random would kill a mutant in one run and not in the next. */
const random = "properties.test.ts"

class Runner {
  constructor() {
    this.require = createRequire(join(process.cwd(), "package.json"))
    this.namespace = "__stryker__"
  }

  capabilities() {
    return { reloadEnvironment: true }
  }

  async init() {
    const { buildSync } = this.require("esbuild")
    const bundle = (contents, external) =>
      new Script(
        `(require, module) => {${
          buildSync({
            stdin: { contents, resolveDir: folder },
            bundle: true,
            // Our package says that its modules have no side effects; tests are nothing else.
            ignoreAnnotations: true,
            packages: "external",
            external,
            platform: "node",
            format: "cjs",
            write: false
          }).outputFiles[0].text
        }}`
      )
    const files = readdirSync(folder).filter((name) => name.endsWith(".test.ts") && name !== random)
    this.tests = bundle(files.map((name) => `import "./${name}"`).join("\n"), ["./facts.ts"])
    // Evaluated once: what it keeps stays for all mutants.
    const facts = { exports: {} }
    bundle(`export * from "./facts.ts"`, []).runInThisContext()(this.require, facts)
    const { assert } = await import(this.require.resolve("chai"))
    this.modules = { vitest: { assert }, "./facts.ts": facts.exports }
    this.run = new Script("globalThis.runTests()")
  }

  async dryRun({ timeout }) {
    const stryker = this.fresh(undefined)
    const tests = this.runTests(undefined, timeout)
    return tests === undefined
      ? { status: DryRunStatus.Timeout }
      : { status: DryRunStatus.Complete, tests, mutantCoverage: stryker.mutantCoverage }
  }

  async mutantRun({ activeMutant, hitLimit, testFilter, timeout }) {
    const stryker = this.fresh(activeMutant.id, hitLimit)
    const tests = this.runTests(testFilter, timeout)
    if (tests === undefined) return toMutantRunResult({ status: DryRunStatus.Timeout })
    const isOver = determineHitLimitReached(stryker.hitCount, hitLimit)
    return toMutantRunResult(isOver ?? { status: DryRunStatus.Complete, tests })
  }

  fresh(activeMutant, hitLimit) {
    const stryker = { activeMutant, hitCount: 0, hitLimit, currentTestId: undefined, mutantCoverage: undefined }
    globalThis[this.namespace] = stryker
    return stryker
  }

  /** Undefined if they do not end. */
  runTests(filter, timeout) {
    const wanted = filter === undefined ? undefined : new Set(filter)
    const results = []
    const load = this.tests.runInThisContext()
    globalThis.runTests = () => {
      const collected = []
      let title = ""
      const describe = (name, body) => {
        const outer = title
        title += `${name} `
        body()
        title = outer
      }
      const it = (name, body) => collected.push({ id: title + name, body })
      const modules = { ...this.modules, vitest: { ...this.modules.vitest, describe, it } }
      try {
        load((name) => modules[name] ?? this.require(name), { exports: {} })
      } catch (error) {
        // A changed constant can keep a module from being loaded: that is noticed.
        results.push({
          id: "load",
          name: "load",
          timeSpentMs: 0,
          status: TestStatus.Failed,
          failureMessage: String(error)
        })
        return
      }
      for (const { body, id } of collected) {
        if (wanted !== undefined && !wanted.has(id)) continue
        const begun = performance.now()
        globalThis[this.namespace].currentTestId = id
        const test = { id, name: id }
        try {
          if (body() !== undefined) throw new Error("A test here must not wait.")
          results.push({ ...test, status: TestStatus.Success, timeSpentMs: performance.now() - begun })
        } catch (error) {
          const timeSpentMs = performance.now() - begun
          results.push({ ...test, status: TestStatus.Failed, timeSpentMs, failureMessage: String(error) })
          if (wanted !== undefined) return
        }
        globalThis[this.namespace].currentTestId = undefined
      }
    }
    try {
      // Before Stryker's own limit, which ends the whole process.
      this.run.runInThisContext({ timeout: Math.ceil(timeout / 2) })
    } catch (error) {
      if (error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return undefined
      throw error
    }
    return results
  }
}

const make = () => new Runner()
make.inject = tokens()
export const strykerPlugins = [declareFactoryPlugin(PluginKind.TestRunner, "in-one-process", make)]
