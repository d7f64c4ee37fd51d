/** `database-ready` on a plain command line, which is how programs call it: nothing here explains anything. */
import * as Option from "effect/Option"
import { durationFrom, integrityPolicies, permissionChoices, typesIn } from "../../layers/index.ts"
import { plainArguments } from "./arguments.ts"
import { defaults, main, run } from "./start.ts"

const plain = plainArguments(process.argv.slice(2), process.env)
if (plain === undefined) throw new Error("this command line is not a plain one")
const { backups, command, database, integrity, json, migrations, permissions, timeout, trustedFilesystems } = plain

main(
  run(command === "init" ? "initialize" : "inspect")({
    database: database ?? defaults.database,
    migrations: Option.fromNullable(migrations),
    integrity: integrityPolicies.find((policy) => policy === integrity) ?? defaults.integrity,
    timeout: durationFrom(timeout ?? ""),
    permissions: permissionChoices.find((choice) => choice === permissions) ?? defaults.permissions,
    backups: backups === undefined ? defaults.backups : Number(backups),
    trustedFilesystems: typesIn(trustedFilesystems ?? ""),
    json
  })
)
