/**
 * `database-ready`. The command lines that programs write are read without the full parser. Only other command lines
 * load it.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { durationFrom, filesystemTypesFrom, integrityPolicies, permissionChoices } from "../../layers/index.ts"
import { type PlainArguments, plainArguments } from "./arguments.ts"
import { type Choices, defaults, run, runMain } from "./start.ts"

export const main = (): void => {
  const plain = plainArguments(process.argv.slice(2), process.env)
  runMain(
    plain === undefined
      ? Effect.flatMap(
          Effect.promise(() => import("./commandLine.ts")),
          ({ commandLine }) => commandLine
        )
      : run(plain.command === "init" ? "initialize" : "inspect")(choicesOf(plain))
  )
}

const choicesOf = (plain: PlainArguments): Choices => ({
  database: plain.database ?? defaults.database,
  migrations: Option.fromNullable(plain.migrations),
  applicationId: Option.map(Option.fromNullable(plain.applicationId), Number),
  onOpen: Option.fromNullable(plain.onOpen),
  integrity: Option.fromNullable(integrityPolicies.find((policy) => policy === plain.integrity)),
  timeout: Option.getRight(durationFrom(plain.timeout ?? "")),
  permissions: Option.fromNullable(permissionChoices.find((choice) => choice === plain.permissions)),
  backups: Option.map(Option.fromNullable(plain.backups), Number),
  trustedFilesystems: filesystemTypesFrom(plain.trustedFilesystems ?? ""),
  json: plain.json
})
