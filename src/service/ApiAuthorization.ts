/** The user of a request, and the errors that any request with a token can get. */
import * as HttpApiMiddleware from "@effect/platform/HttpApiMiddleware"
import * as HttpApiSecurity from "@effect/platform/HttpApiSecurity"
import * as Context from "effect/Context"
import * as Schema from "effect/Schema"
import {
  DatabaseBusy,
  Forbidden,
  InternalError,
  NotReady,
  StorageFull,
  TooManyRequests,
  Unauthorized
} from "./ApiErrors.ts"

/** The user that a token belongs to. */
export class CurrentUser extends Context.Tag("conversation-files/CurrentUser")<
  CurrentUser,
  { readonly name: string; readonly isAdministrator: boolean }
>() {}

/** Requires a bearer token, and counts the request against its user's limits. */
export class Authorization extends HttpApiMiddleware.Tag<Authorization>()("conversation-files/Authorization", {
  failure: Schema.Union(Unauthorized, Forbidden, TooManyRequests),
  provides: CurrentUser,
  security: { bearer: HttpApiSecurity.bearer }
}) {}

/** The errors of every endpoint that needs the database, besides its own. */
export const Failure = Schema.Union(Forbidden, InternalError, DatabaseBusy, StorageFull, NotReady)
