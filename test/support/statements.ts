/** The statements of a service, from its spans. */
import * as Tracer from "effect/Tracer"

/** Reports each statement of a service after it was answered. */
export const afterStatements = (tracer: Tracer.Tracer, tell: (statement: string) => void): Tracer.Tracer =>
  Tracer.make({
    context: tracer.context,
    span: (...args) => {
      const span = tracer.span(...args)
      const end = span.end.bind(span)
      return Object.assign(span, {
        end: (...ending: Parameters<typeof end>) => {
          end(...ending)
          tell(String(span.attributes.get("db.query.text")))
        }
      })
    }
  })
