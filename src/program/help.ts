/** How help reads: within 80 columns, without what says nothing, and in colour only where colours are wanted. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { name as programName } from "../build/identity.ts"
import { correctCompletions } from "./completions.ts"
import { hidePasswords } from "./say.ts"

const columns = 80

// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what a colour begins with
const colour = /\u001b\[[0-9;]*m/g

/** The text as it is stored in a file. */
export const withoutColours = (text: string): string => text.replace(colour, "")

/** Every flag may be left out, and its name shows what it takes. The parser offers a wizard, which is left out of the build. */
const saysNothing =
  /^ *(--wizard|Start wizard mode for a command\.|This (setting is optional|option can be set from environment variables)\.|A true or false value\.|A user-defined piece of text\.|An integer\.|One of the following: .*)$/
/** A command in the list of all: its name, its usage, which its own help has, and what it does. */
const listed = /^ {2}- (\S+) .*? {2,}(\S.*)$|^ {2}- (\S+) {2,}(\S.*)$/
/** A usage as the parser writes it: without the name of the program. */
const onlyCommand = new RegExp(String.raw`\$ (?=[a-z])(?!${programName})`)
const isFlag = (line: string): boolean => /^\(?-/.test(withoutColours(line))

const width = (text: string): number => withoutColours(text).length

/** Breaks a line between words; the lines after the first begin with `indent`. */
const wrapped = (line: string, indent: string): string => {
  const start = /^ */.exec(line)?.[0] ?? ""
  const lines: Array<string> = []
  let current = start
  const words = line
    .slice(start.length)
    .split(/ (?![^[\]]*\])/)
    // A flag with its choices stays together where it fits in a line.
    .flatMap((word) => (width(word) > columns - indent.length ? word.split(" ") : [word]))
  for (const word of words) {
    const isFirst = current.trim() === ""
    if (!isFirst && width(current) + 1 + width(word) > columns) {
      lines.push(current)
      current = indent + word
    } else {
      current = isFirst ? current + word : `${current} ${word}`
    }
  }
  return [...lines, current].join("\n")
}

const nameWidth = 14
const commandLine = (name: string, what: string): string =>
  wrapped(`  ${name.padEnd(nameWidth)}${what}`, " ".repeat(nameWidth + 2))

/** Help as the parser writes it, as people read it. */
export const readable = (help: string, hasColours: boolean): string => {
  const lines: Array<string> = []
  for (const line of (hasColours ? help : withoutColours(help)).split("\n")) {
    const text = withoutColours(line)
    // The next line has the name with the version.
    if (saysNothing.test(text) || (lines.length === 0 && text.trim() === programName)) continue
    const last = lines.at(-1) ?? ""
    const [, name, what, plainName, plainWhat] = listed.exec(text) ?? []
    if (text.trim() === "") {
      if (last !== "" && !isFlag(last)) lines.push("")
      continue
    }
    const command = name ?? plainName
    const description = what ?? plainWhat
    if (command !== undefined && description !== undefined) {
      if (last === "" && /^ {2}\S/.test(lines.at(-2) ?? "")) lines.pop()
      lines.push(commandLine(command, description))
    } else {
      const usage = line.replace(onlyCommand, `$ ${programName} `)
      lines.push(wrapped(usage, text.startsWith("$") ? "    " : (/^ */.exec(text)?.[0] ?? "")))
    }
  }
  const text = lines.join("\n").trimEnd()
  // A reader who looks for a command finds it before the flags that every command has.
  const [, before, flags, commands] = /^(.*?)(\S*OPTIONS\S*\n.*)(\n\S*COMMANDS\S*\n.*)$/s.exec(text) ?? []
  return commands === undefined ? text : `${before}${commands.trimStart()}\n\n${flags}`.trimEnd()
}

/** https://no-color.org: any value but an empty one. */
const coloursOn = (stream: NodeJS.WriteStream): boolean => stream.isTTY && !process.env["NO_COLOR"]

/** In a script for completions it is a word of a list for bash, and a line of its own for zsh and fish. */
const withoutWizard = (script: string): string =>
  script.replaceAll(/ --wizard(?= )/g, "").replaceAll(/^.*\bwizard\b.*\n/gm, "")

/** Shows what the parser shows by itself in this way. A script for completions has no colours. */
export const withReadableHelp = <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Console.consoleWith((console) => {
    const shown = (stream: NodeJS.WriteStream, texts: ReadonlyArray<unknown>) =>
      texts.map((text) =>
        typeof text === "string"
          ? hidePasswords(
              text === withoutColours(text)
                ? correctCompletions(withoutWizard(text))
                : readable(text, coloursOn(stream))
            )
          : text
      )
    return Effect.withConsole(program, {
      ...console,
      error: (...texts) => console.error(...shown(process.stderr, texts)),
      log: (...texts) => console.log(...shown(process.stdout, texts))
    })
  })
