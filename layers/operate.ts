/**
 * For those who look after databases: plans, rehearsals, checks, backups, repairs, takeovers. The program's commands are
 * these functions with a command line around them.
 *
 * @packageDocumentation
 */

export { type Compression, compressions } from "./machine/compression.ts"
export { AdoptError } from "./operate/AdoptError.ts"
export type { Adoption, AdoptOptions } from "./operate/AdoptOptions.ts"
export { adopt } from "./operate/adopt.ts"
export { type BackUpOptions, backUp, type MadeBackup } from "./operate/BackUp.ts"
export { type ListBackupsOptions, type ListedBackup, listBackups } from "./operate/BackupList.ts"
export type { Conversion, ConvertedFile, ConvertOptions } from "./operate/Conversion.ts"
export { ConvertError } from "./operate/ConvertError.ts"
export type { CheckName, DatabaseCheck } from "./operate/check/CheckList.ts"
export { type CheckedDatabase, checkDatabase, watchDatabase } from "./operate/check.ts"
export { checkJson, checkLine, checkLines } from "./operate/checkLines.ts"
export { convertMigrations } from "./operate/convert.ts"
export { type DiffOptions, type DiffSide, diffSchemas, type SchemaDiff } from "./operate/diff.ts"
export { diffJson, diffLines, diffSql } from "./operate/diffLines.ts"
export { EngineError } from "./operate/EngineError.ts"
export { type LintOptions, type LintReport, lint } from "./operate/Lint.ts"
export { type NewMigration, type NewMigrationOptions, newMigration } from "./operate/newMigration.ts"
export { ProbeServerError } from "./operate/ProbeServerError.ts"
export { type DatabasePlan, planDatabase } from "./operate/plan.ts"
export { planJson, planLines } from "./operate/planLines.ts"
export type { Proof, ProofDocument, ProvenMigration, ProvenObject } from "./operate/proof/Proof.ts"
export { ProofError } from "./operate/proof/ProofError.ts"
export type { ProofSignature } from "./operate/proof/Signature.ts"
export { proofJson, proofMarkdown, verifiedJson, verifiedLines } from "./operate/proofLines.ts"
export { type ProveOptions, proveDatabase } from "./operate/prove.ts"
export { RepairError } from "./operate/RepairError.ts"
export type { Repair, RepairOptions } from "./operate/RepairOptions.ts"
export { type RestoreChosenOptions, restoreChosen } from "./operate/RestoreChosen.ts"
export { rehearsalJson, rehearsalLines } from "./operate/rehearsalLines.ts"
export {
  type Rehearsal,
  type RehearsalOptions,
  type RehearsedMigration,
  type RehearsedObject,
  rehearseUpgrade,
  type SchemaChange
} from "./operate/rehearse.ts"
export { repair } from "./operate/repair.ts"
export { type RepairCase, repairCases } from "./operate/repairCases.ts"
export type { RowChange, RowValues } from "./operate/repairChanges.ts"
export { type ProbeServerOptions, serveProbes } from "./operate/serveProbes.ts"
export { type VerifiedProof, type VerifyProofOptions, verifyProof } from "./operate/verifyProof.ts"
export { writeProof } from "./operate/writeProof.ts"
export type { TextChange } from "./schema/ConvertedText.ts"
export type { LeftFile } from "./schema/ForeignLayout.ts"
export { ledgerTools } from "./schema/Ledgers.ts"
export { type LintCode, type LintFinding, type LintLevel, lintCodes } from "./schema/LintCodes.ts"
export type { ObjectDifference, PartDifference } from "./schema/SchemaDifference.ts"
export type { NotGenerated } from "./schema/SchemaSteps.ts"
export { MigrationFilesError } from "./start/MigrationFilesError.ts"
export type {
  EarlierMigration,
  PlannedBackup,
  PlannedMigration,
  PlannedStatement,
  StartPlan,
  TableSize
} from "./start/Plan.ts"
export { RehearsalError } from "./start/RehearsalError.ts"
