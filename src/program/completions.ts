/**
 * Corrects the scripts for completions that the parser writes. Its bash script never reaches a command of a program with
 * a hyphen in its name, and offers choices as one word. Those for zsh and fish do not know which flags take a file.
 */
import { repairCases } from "../../layers/operate.ts"

/** Flags without a value. */
const switches = new Set(
  "create details dry-run help json keep-extra look sql strict until-ready verify version watch yes".split(" ")
)

/** Leaves any other text as it is. */
export const correctCompletions = (script: string): string => {
  if (script.startsWith("#compdef ")) return forZsh(script)
  if (/^function _\S+_bash_completions\(\)/.test(script)) return forBash(script)
  return /^complete -c /m.test(script) ? script.replaceAll(" -r -f -d ", " -r -F -d ") : script
}

const forBash = (script: string): string =>
  script
    .replace('cmd="database-ready"', 'cmd="database__ready"')
    .replace(/^( +)database-ready\)$/m, "$1database__ready)")
    .replaceAll(
      /^( +database__ready,)(\S+)\)$/gm,
      (_, before: string, command: string) => `${before}${command.replaceAll("__", "-")})`
    )
    .replaceAll(/-W "([^" $]*)"/g, (_, choices: string) => `-W "${choices.replaceAll(",", " ")}"`)
    .replace(/(database__ready__repair\)\n +opts=")/, `$1${repairCases.join(" ")} `)

const forZsh = (script: string): string =>
  script
    .replaceAll(/^( +'--([a-z-]+)\[.*\])' \\$/gm, (line, before: string, flag: string) =>
      switches.has(flag) ? line : `${before}:value:_files' \\`
    )
    // Its description has colons, which end it.
    .replaceAll(/':<\w+> -- [^']*(?:'\\''[^']*)*:CHOICE:\(([^)]*)\)'/g, "':case:($1)'")
    .replaceAll(/^ {16}&& ret=0$/gm, `${" ".repeat(16)}'*:file:_files' \\\n${" ".repeat(16)}&& ret=0`)
