/** What the API sends: taken from its own description, so that the page and the API cannot part. */
export type ConversationFile = typeof import("../ApiModels.ts").ConversationFile.Encoded
export type FileDetails = typeof import("../ApiModels.ts").FileDetails.Encoded
export type FilePage = typeof import("../ApiModels.ts").FilePage.Encoded
export type AuditEvent = typeof import("../ApiModels.ts").AuditEvent.Encoded
export type AuditPage = typeof import("../ApiModels.ts").AuditPage.Encoded
export type RefusalPage = typeof import("../ApiModels.ts").RefusalPage.Encoded
export type SessionSummary = typeof import("../ApiModels.ts").SessionSummary.Encoded
export type SessionPage = typeof import("../ApiModels.ts").SessionPage.Encoded
export type BulkResult = typeof import("../ApiChanges.ts").BulkResult.Encoded
export type DestroyedFiles = typeof import("../ApiChanges.ts").DestroyedFiles.Encoded
export type Me = typeof import("../ApiModels.ts").Me.Encoded
export type CleanupPage = typeof import("../ApiAccount.ts").CleanupPage.Encoded
export type HealthHistory = typeof import("../OperatorModels.ts").HealthTurns.Encoded
export type DatabaseState = typeof import("../OperatorModels.ts").DatabaseFacts.Encoded
export type StorageStatistics = typeof import("../ApiModels.ts").StorageStatistics.Encoded
export type FoundPassage = typeof import("../context/ContextModels.ts").FoundPassage.Encoded
export type FoundPassages = typeof import("../context/ContextModels.ts").FoundPassages.Encoded
export type TextState = typeof import("../context/ContextModels.ts").TextState.Encoded
export type ExperimentPage = typeof import("../experiments/ExperimentModels.ts").ExperimentPage.Encoded
export type ExperimentResult = typeof import("../experiments/ExperimentModels.ts").ExperimentResult.Encoded

/** What a page shows: a session's files, all files, what will be deleted, the service itself, or nothing yet. */
export type Place =
  | { readonly kind: "welcome" | "all" | "due" | "administration" }
  | { readonly kind: "session"; readonly id: string }

export interface HealthCheck {
  readonly status: "pass" | "warn" | "fail"
  readonly time: string
  readonly observedValue: string | number
  readonly observedUnit: string
  readonly output?: string
}

export interface Stage {
  readonly name: string
  readonly startedAt: string
  readonly durationMs: number
  readonly attempts: number
  readonly found?: string
}

export interface Startup {
  readonly startedAt: string
  readonly durationMs: number
  readonly stages: ReadonlyArray<Stage>
}

/** `/api/health`, or that nobody answers. */
export interface Health {
  readonly phase: "starting" | "open" | "leaving" | "stopping" | "gone"
  readonly status: "pass" | "warn" | "fail"
  readonly stage?: string
  readonly since?: string
  readonly attempts?: number
  readonly releaseId?: string
  readonly schemaVersion?: string | null
  readonly startup?: Startup
  readonly checks?: Readonly<Record<string, ReadonlyArray<HealthCheck>>>
  readonly pragmas?: Readonly<Record<string, unknown>>
}
