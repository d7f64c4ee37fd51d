/** Help: what the program says about itself. */
import { spawnSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readable } from "../src/program/help.ts"
import { runProgram } from "./support/program.ts"

const helpOf = (...words: ReadonlyArray<string>) =>
  Effect.map(runProgram([...words, "--help"]), ({ code, stderr, stdout }) => {
    assert.deepStrictEqual([code, stderr], [0, ""])
    return stdout
  })

/** What somebody needs who has never seen the program, in words of their own, and the command for it. */
const situations: ReadonlyArray<readonly [need: string, command: string]> = [
  ["A deploy step has to create the database or migrate it, before the service is started.", "init"],
  ["Is the database ready for this release? I must not write to it.", "status"],
  ["Which migrations are pending, and with which statements?", "plan"],
  ["How long can others not write during the upgrade tonight? I want to try it on a copy.", "rehearse"],
  ["I need a copy now, while other programs go on to use the database.", "backup"],
  ["What backups do I have, of which time and size, and is each of them sound?", "backups"],
  ["I need the data of a backup of last night at another path, beside the current file.", "restore"],
  ["The start is refused, because somebody edited a migration that was applied: the history is wrong.", "repair"],
  ["Until today another tool, Prisma, did the migrations. Its database should be taken over.", "adopt"],
  ["An audit wants a signed document of what is proven, which the next machine can have verified.", "proof"]
]

const ordinary = new Set(
  "a an and are be by did do each for go have how i in is it its not of on or the to was what which with".split(" ")
)
const wordsIn = (text: string) =>
  new Set([...text.toLowerCase().matchAll(/[a-z]+/g)].map(([word]) => word).filter((word) => !ordinary.has(word)))

describe("help", () => {
  it.live("leads somebody who knows nothing from ten situations to the command, by their own words", () =>
    Effect.gen(function* () {
      const [, list = ""] = /\nCOMMANDS\n\n(.*?)\n\nOPTIONS\n/s.exec(yield* helpOf()) ?? []
      const commands = list
        .split(/\n(?= {2}\S)/)
        .map((text) => ({ name: text.trim().split(/\s/)[0], words: wordsIn(text) }))
      for (const [need, command] of situations) {
        const wanted = [...wordsIn(need)]
        const found = commands
          .map(({ name, words }) => ({ name, shared: wanted.filter((word) => words.has(word)) }))
          .sort((one, other) => other.shared.length - one.shared.length)
        const [best, second] = found
        assert.strictEqual(best?.name, command, `${need} ${JSON.stringify(found.slice(0, 3))}`)
        assert.isAbove(
          best?.shared.length ?? 0,
          second?.shared.length ?? 0,
          `${need} ${JSON.stringify(found.slice(0, 3))}`
        )
      }
    })
  )

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

  it.live("offers commands, flags and choices in a real bash, and files in zsh and fish", () =>
    Effect.gen(function* () {
      const scriptFor = (shell: string) => Effect.map(runProgram(["--completions", shell]), ({ stdout }) => stdout)
      const bash = yield* scriptFor("bash")
      const offered = (...words: ReadonlyArray<string>) => {
        const asked = `eval "$SCRIPT"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); $(complete -p database-ready | sed 's/.*-F \\(\\S*\\).*/\\1/') "$1"; printf '%s\\n' "\${COMPREPLY[@]}"`
        const { status, stderr, stdout } = spawnSync("bash", ["-c", asked, "bash", "database-ready", ...words], {
          encoding: "utf8",
          env: { PATH: process.env["PATH"], SCRIPT: bash }
        })
        assert.strictEqual(status, 0, stderr)
        return stdout.trimEnd().split("\n")
      }
      assert.deepStrictEqual(offered("re"), ["rehearse", "repair", "restore"])
      assert.includeMembers(offered("repair", ""), ["accept-edited", "remove-repeatable", "set-application-id"])
      assert.includeMembers(offered("repair", "accept-edited", "--"), ["--reason", "--dry-run", "--yes"])
      assert.deepStrictEqual(offered("serve-probes", "--unt"), ["--until-ready"])
      assert.deepStrictEqual(offered("restore", "--database", "app.db", "--schema"), ["--schema-version"])
      assert.deepStrictEqual(offered("backup", "--compress", ""), ["gzip", "zstd"])
      assert.includeMembers(offered("adopt", "--from", ""), ["drizzle", "none"])
      // The flags without a value are the same in bash and zsh.
      const switches = [...bash.matchAll(/^ +--(\S+)\)\n +COMPREPLY=\( "\$\{cur\}" \)/gm)].map(([, flag]) => flag)
      const zsh = yield* scriptFor("zsh")
      const plain = [...zsh.matchAll(/'--([a-z-]+)\[.*\]' \\$/gm)].map(([, flag]) => flag)
      assert.sameMembers([...new Set(plain)], [...new Set([...switches, "help", "version"])])
      assert.include(
        zsh,
        'if [[ "$funcstack[1]" == _database-ready* ]]; then\n    _database-ready_zsh_completions "$@"'
      )
      assert.match(zsh, /':case:\(accept-edited [^)]*set-application-id\)'/)
      assert.match(yield* scriptFor("fish"), /from restore" -l backup -r -F -d/)
    })
  )

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
