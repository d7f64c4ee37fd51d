/** A proof, for programs and for people. */
import { hash } from "node:crypto"
import { describeEvent } from "../start/HistoryEvents.ts"
import { canonicalJson } from "./proof/CanonicalJson.ts"
import type { ProofDocument } from "./proof/Proof.ts"
import { printable } from "./text.ts"
import type { VerifiedProof } from "./verifyProof.ts"

/** The document in one line of canonical JSON (RFC 8785), as `database-ready proof --json` prints it. */
export const proofJson = (document: ProofDocument): string => canonicalJson(document)

/** The document as Markdown, as `database-ready proof` prints it. It names the JSON document by its hash. */
export const proofMarkdown = (document: ProofDocument): string => {
  const { at, by, database, history, host, integrity, pragmas, schema, versions } = document.proof
  const signed = document.signature
  return [
    `# Proof of ${cell(database.path)}`,
    "",
    ...table(
      ["", ""],
      [
        ["proven", `at ${at} by ${by} at ${host}`],
        ["with", described(versions)],
        ["size", `${database.bytes} bytes: ${database.pageCount} pages of ${database.pageSize}`],
        ["SHA-256", `\`${database.sha256}\``],
        ["application_id", String(database.applicationId)],
        ["user_version", String(database.userVersion)],
        ["encoding", database.encoding],
        ["schema", `at ${history.schemaVersion ?? "none"}, SHA-256 \`${schema.sha256}\``],
        ["integrity", `${integrity.checked} (${integrity.because}): nothing wrong`],
        [
          "foreign keys",
          integrity.foreignKeys === "checked" ? "every row looked at: none refers to nothing" : "not checked"
        ],
        ["signature", signed === null ? "none" : `${signed.algorithm}, public key \`${signed.publicKey}\``],
        ["JSON document", `SHA-256 \`${hash("sha256", proofJson(document), "hex")}\``]
      ]
    ),
    "",
    `The SHA-256 of the database is of ${database.hashed}.`,
    "",
    "## History",
    "",
    ...table(
      ["version", "name", "applied at", "by", "checksum"],
      history.migrations.map(({ appliedAt, checksum, name, program, version }) => [
        version,
        name ?? "",
        appliedAt,
        program ?? "",
        checksum === null ? "" : `\`${checksum}\``
      ])
    ),
    ...(history.events.length === 0 ? [] : ["", ...history.events.map((event) => `- ${cell(describeEvent(event))}`)]),
    "",
    "## Schema",
    "",
    ...table(
      ["object", "SHA-256 of its SQL", "made by"],
      schema.objects.map(({ object, sha256 }) => [
        object,
        `\`${sha256}\``,
        schema.extra.includes(object) ? "no migration" : "migrations"
      ])
    ),
    "",
    "## Pragmas",
    "",
    ...table(
      ["pragma", "value"],
      Object.entries(pragmas).map(([name, value]) => [name, String(value)])
    )
  ].join("\n")
}

/** What `database-ready proof --verify` prints, as one line of JSON. */
export const verifiedJson = (verified: VerifiedProof): string =>
  JSON.stringify({ status: "verified", ...verified, against: verified.against ?? null })

/** The same for people. */
export const verifiedLines = ({
  against,
  at,
  database,
  host,
  publicKey,
  sha256
}: VerifiedProof): ReadonlyArray<string> => [
  `verified  ${printable(database)} of ${printable(host)}, proven at ${printable(at)}`,
  `  content  SHA-256 ${printable(sha256)}${against === undefined ? "" : `, which is that of ${printable(against)}`}`,
  `  key      ${publicKey}`
]

const described = ({ databaseReady, effect, node, program, sqlite }: ProofDocument["proof"]["versions"]): string =>
  [
    `database-ready ${databaseReady}`,
    ...(program === "" || program === `database-ready ${databaseReady}` ? [] : [program]),
    `SQLite ${sqlite}`,
    `Node.js ${node}`,
    `Effect ${effect}`
  ].join(", ")

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => [
  row(head),
  row(head.map(() => "---")),
  ...rows.map((cells) => row(cells.map(cell)))
]

const row = (cells: ReadonlyArray<string>): string => `| ${cells.join(" | ")} |`

/** Names can have what would end a cell or move the cursor of a terminal. */
const cell = (text: string): string => printable(text).replaceAll("\n", " ").replaceAll("|", "\\|")
