/**
 * Corrects the completion scripts that the parser writes. Its bash script completes no command if the program's name has
 * a hyphen, and offers all choices as one word. Its scripts for zsh and fish do not know which flags take a file.
 */
import { repairCases } from "../../layers/operate.ts"

/** Flags without a value. */
const switches = new Set(
  "create details dry-run help json keep-extra look sql strict until-ready verify version watch yes".split(" ")
)

/** The script, corrected. Any other text stays as it is. */
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
    // A file `_database-ready` is run when it is needed first: it has to complete then too.
    .replace(
      'if [ "$funcstack[1]" = "_database-ready_zsh_completions" ]',
      'if [[ "$funcstack[1]" == _database-ready* ]]'
    )
    .replaceAll(/^( +'--([a-z-]+)\[.*\])' \\$/gm, (line, before: string, flag: string) =>
      switches.has(flag) ? line : `${before}:value:_files' \\`
    )
    // In zsh a colon ends a description, and this one has some.
    .replaceAll(/':<\w+> -- [^']*(?:'\\''[^']*)*:CHOICE:\(([^)]*)\)'/g, "':case:($1)'")
    .replaceAll(/^ {16}&& ret=0$/gm, `${" ".repeat(16)}'*:file:_files' \\\n${" ".repeat(16)}&& ret=0`)
