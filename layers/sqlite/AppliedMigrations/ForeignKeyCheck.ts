/** Violations of foreign keys that no pending migration has made. */
import { IntegrityError } from "../IntegrityError.ts"
import { describeViolation, foreignKeyViolations } from "../PageCheck.ts"
import { answerOr, type Sqlite } from "../Sqlite.ts"

/** The step is rolled back: a violation that is still there is not the migrations' fault. */
export const requireForeignKeys = (sqlite: Sqlite): IntegrityError | undefined =>
  answerOr(() => {
    const rows = sqlite.all(`${foreignKeyViolations} LIMIT 100`)
    return rows.length === 0 ? undefined : IntegrityError.found("ForeignKeyViolations", rows.map(describeViolation))
  }, IntegrityError.unreadable)
