/** The migrations built into the program, and the mark of their files. */
import { Migrations } from "../../layers/index.ts"
import createConversationFiles from "../../migrations/001_create_conversation_files.sql"
import addOwnershipAndAudit from "../../migrations/002_add_ownership_and_audit.sql"
import keepContentsAndExpiries from "../../migrations/003_keep_contents_and_expiries.sql"
import countRefusalsAndUsage from "../../migrations/004_count_refusals_and_usage.sql"
import summarizeSessions from "../../migrations/005_summarize_sessions.sql"
import searchTexts from "../../migrations/006_search_texts.sql"
import runExperiments from "../../migrations/007_run_experiments.sql"
import giveSessionsInSteps from "../../migrations/008_give_sessions_in_steps.sql"
import countTerms from "../../migrations/009_count_terms.sql"

export const files = {
  "001_create_conversation_files.sql": createConversationFiles,
  "002_add_ownership_and_audit.sql": addOwnershipAndAudit,
  "003_keep_contents_and_expiries.sql": keepContentsAndExpiries,
  "004_count_refusals_and_usage.sql": countRefusalsAndUsage,
  "005_summarize_sessions.sql": summarizeSessions,
  "006_search_texts.sql": searchTexts,
  "007_run_experiments.sql": runExperiments,
  "008_give_sessions_in_steps.sql": giveSessionsInSteps,
  "009_count_terms.sql": countTerms
}

export const migrations = Migrations.fromRecord(files)

/** `AbCF` in ASCII. `file` shows it, and the start refuses a database of another program by it. */
export const applicationId = 0x41_62_43_46
