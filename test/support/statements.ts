/** The statements of a service, as its spans tell them. */
import * as Tracer from "effect/Tracer"

/** Tells of each statement of a service once it has been answered. */
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
