/** The form of the health answer (draft-inadarei-api-health-check), for the description. */
export const healthType = "application/health+json"

const status = { type: "string", enum: ["pass", "warn", "fail"] }

const check = {
  type: "object",
  required: ["status"],
  properties: {
    componentType: { type: "string" },
    status,
    time: { type: "string", format: "date-time" },
    observedValue: { type: ["string", "number"] },
    observedUnit: { type: "string" },
    output: { type: "string", description: "Why it does not pass, or what was found" }
  }
}

export const healthReport = {
  type: "object",
  required: ["status", "phase"],
  properties: {
    status,
    phase: { type: "string", enum: ["starting", "open", "leaving", "stopping"] },
    schemaVersion: { type: "string" },
    checks: { type: "object", additionalProperties: { type: "array", items: check } }
  }
}
