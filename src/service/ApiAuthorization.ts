/** Who asks, and what a request with a token can always fail with. */
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

/** Asks for a bearer token, and counts the request against its user's limits. */
export class Authorization extends HttpApiMiddleware.Tag<Authorization>()("conversation-files/Authorization", {
  failure: Schema.Union(Unauthorized, Forbidden, TooManyRequests),
  provides: CurrentUser,
  security: { bearer: HttpApiSecurity.bearer }
}) {}

/** What every endpoint behind the door can fail with, beside its own errors. */
export const Failure = Schema.Union(Forbidden, InternalError, DatabaseBusy, StorageFull, NotReady)
