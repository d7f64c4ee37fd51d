/** Help: what the program says about itself. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readable } from "../src/program/help.ts"
import { runProgram } from "./support/program.ts"

const helpOf = (...words: ReadonlyArray<string>) =>
  Effect.map(runProgram([...words, "--help"]), ({ code, stderr, stdout }) => {
    assert.deepStrictEqual([code, stderr], [0, ""])
    return stdout
  })

describe("help", () => {
  it.live("names every command; each fits 80 columns, and a pipe gets no colours", () =>
    Effect.gen(function* () {
      const root = yield* helpOf()
      const names = [...root.matchAll(/^ {2}([a-z][\w-]*) {2,}\S/gm)].map(([, name]) => name ?? "")
      assert.includeMembers(names, ["init", "status", "restore", "fleet", "serve-probes"])
      assert.match(root, /^database-ready \d+\.\d+\.\d+\n\nUSAGE\n\n\$ database-ready\n/)
      const helps = yield* Effect.forEach(names, (name) => helpOf(name), { concurrency: 2 })
      for (const line of [root, ...helps].join("\n").split("\n")) {
        assert.isAtMost(line.length, 80, line)
        assert.notInclude(line, "\u001b")
        assert.notInclude(line, "wizard")
      }
      for (const [index, help] of helps.entries()) assert.include(help, `$ database-ready ${names[index]}`)
    })
  )

  it("keeps the colours of a terminal, and breaks lines by what is seen of them", () => {
    const bold = `\u001b[1m${"word ".repeat(20).trim()}\u001b[0m`
    assert.strictEqual(readable(bold, true).split("\n").length, 2)
    assert.include(readable(bold, true), "\u001b[1m")
    assert.notInclude(readable(bold, false), "\u001b")
  })

  it.live("is offered by shells: completions for bash, zsh and fish name the commands", () =>
    Effect.gen(function* () {
      for (const shell of ["bash", "zsh", "fish"]) {
        const { code, stdout } = yield* runProgram(["--completions", shell])
        assert.strictEqual(code, 0)
        assert.include(stdout, "serve-probes")
        assert.notInclude(stdout, "wizard")
      }
      // The parser's questions are not in the build.
      const { code, stdout } = yield* runProgram(["--wizard", "--json"])
      assert.deepStrictEqual([code, JSON.parse(stdout).error.reason], [64, "Usage"])
    })
  )
})
