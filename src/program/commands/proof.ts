/** `proof`: one document that says what was proven of a database, and whether such a document holds. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import {
  ProofError,
  proofJson,
  proofMarkdown,
  proveDatabase,
  verifiedJson,
  verifiedLines,
  verifyProof,
  writeProof
} from "../../../layers/operate.ts"
import { ExitWith } from "../ExitWith.ts"
import { shared } from "../options.ts"
import { refuseWith } from "../refusal.ts"
import { say } from "../say.ts"
import { type Choices, migrationsOf, optionsOf } from "../start.ts"

const file = (name: string, description: string) =>
  Options.text(name).pipe(Options.withPseudoName("FILE"), Options.withDescription(description), Options.optional)

const flags = {
  key: file("key", "A private Ed25519 key in PEM, to sign the proof with; with --verify the public one of who signed."),
  to: file("to", "Also write the JSON document to this file, at which nothing may be yet."),
  verify: file("verify", "Make no proof: look whether this one holds, with --key."),
  against: file("against", "With --verify: also compare this database, or this copy of one, with what was proven."),
  directory: Options.text("directory").pipe(
    Options.withPseudoName("DIRECTORY"),
    Options.withDescription("Where the database is copied to while it is looked at; default beside it."),
    Options.optional
  ),
  ...shared
}

interface ProofChoices extends Choices {
  readonly key: Option.Option<string>
  readonly to: Option.Option<string>
  readonly verify: Option.Option<string>
  readonly against: Option.Option<string>
  readonly directory: Option.Option<string>
}

const run = (choices: ProofChoices) =>
  (Option.isSome(choices.verify) ? verify(choices, choices.verify.value) : prove(choices)).pipe(
    Effect.catchAll((error) =>
      error instanceof ExitWith
        ? Effect.fail(error)
        : refuseWith(choices.json, Option.isSome(choices.verify) ? "not verified" : "not proven")(error)
    )
  )

const prove = Effect.fnUntraced(function* ({ directory, key, to, ...choices }: ProofChoices) {
  const document = yield* proveDatabase({
    ...optionsOf({ ...choices, integrity: Option.orElseSome(choices.integrity, () => "full" as const) }, "inspect"),
    filename: choices.database,
    migrations: migrationsOf(choices),
    directory: Option.getOrUndefined(directory),
    key: Option.isSome(key) ? yield* textOf(key.value) : undefined
  })
  if (Option.isSome(to)) yield* writeProof(document, to.value)
  yield* say(choices.json ? proofJson(document) : proofMarkdown(document))
})

const verify = Effect.fnUntraced(function* (choices: ProofChoices, document: string) {
  const { against, directory, json, key, trustedFilesystems } = choices
  if (Option.isNone(key)) {
    const detail = "--verify takes --key with the public key of who signed"
    return yield* new ProofError({ reason: "NotAKey", path: "", detail, code: "", retryable: false })
  }
  const verified = yield* verifyProof({
    document: yield* textOf(document),
    key: yield* textOf(key.value),
    against: Option.getOrUndefined(against),
    directory: Option.getOrUndefined(directory),
    trustedFilesystems
  })
  yield* say(json ? verifiedJson(verified) : verifiedLines(verified).join("\n"))
})

const textOf = (path: string): Effect.Effect<string, ProofError, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Effect.mapError(fs.readFileString(path), (failure) => ProofError.unreadable(path, failure))
  )

export const proof = Command.make("proof", flags, run).pipe(
  Command.withDescription(
    "Write down what is proven of the database, for an audit or the next machine: signed, and verified later."
  )
)
