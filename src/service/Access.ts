/** Finds the user of a bearer token. */
import { createHash, timingSafeEqual } from "node:crypto"
import type * as Headers from "@effect/platform/Headers"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { Authorization, CurrentUser, Forbidden, type TooManyRequests, Unauthorized } from "./Api.ts"
import { bearerOf } from "./bearer.ts"
import { KeptAnswers } from "./KeptAnswers.ts"
import { Limits } from "./Limits.ts"
import { Refusals } from "./Refusals.ts"
import { Settings } from "./Settings.ts"

type User = CurrentUser["Type"]

/** The user of every request when no accounts are configured: anyone who reaches loopback. */
const local: User = { name: "local", isAdministrator: true }

export class Access extends Context.Tag("conversation-files/Access")<
  Access,
  {
    /** Whether the service needs no token. */
    readonly isOpen: boolean
    /** The user of a token. Takes as long for a wrong token as for a right one. */
    readonly userOf: (token: string) => Option.Option<User>
    /** Whether a request may see the details of the service's state. Its headers must name an administrator. */
    readonly mayLookInside: (headers: Headers.Headers) => boolean
  }
>() {
  static readonly layer: Layer.Layer<Access, never, Settings> = Layer.effect(
    Access,
    Effect.map(Settings, ({ accounts }) => {
      const isOpen = accounts.length === 0
      const known = accounts.map(({ isAdministrator, name, token }) => ({
        digest: digestOf(Redacted.value(token)),
        user: { name, isAdministrator }
      }))
      const userOf = (token: string): Option.Option<User> => {
        if (isOpen) return Option.some(local)
        const digest = digestOf(token)
        // Compare with every account, so that the time tells nothing. All digests have one length, and their order is
        // no secret.
        return known.reduce(
          (found, account) => (timingSafeEqual(account.digest, digest) ? Option.some(account.user) : found),
          Option.none<User>()
        )
      }
      return {
        isOpen,
        userOf,
        mayLookInside: (headers) =>
          isOpen
            ? isLocalRequest(headers)
            : Option.exists(
                Option.flatMap(Option.fromNullable(bearerOf(headers)), userOf),
                ({ isAdministrator }) => isAdministrator
              )
      }
    })
  )
}

/** `Authorization` of the API: identifies the user and counts refusals. Strangers are limited before this runs. */
export const authorization: Layer.Layer<Authorization, never, Access | KeptAnswers | Limits | Refusals> = Layer.effect(
  Authorization,
  Effect.gen(function* () {
    const { isOpen, userOf } = yield* Access
    const { admit, unsafeTake } = yield* Limits
    const { require } = yield* KeptAnswers
    const { count } = yield* Refusals

    const identify = ({ headers }: HttpServerRequest.HttpServerRequest): User | Forbidden | Unauthorized => {
      // The platform's own token is whatever follows any scheme.
      const user = userOf(bearerOf(headers) ?? "")
      if (Option.isNone(user)) return new Unauthorized({ message: "Send a bearer token that the service knows." })
      if (isOpen && !isLocalRequest(headers)) {
        return new Forbidden({
          message: "Without accounts the service answers only programs and pages on its own machine."
        })
      }
      return user.value
    }

    return {
      bearer: () =>
        Effect.flatMap(HttpServerRequest.HttpServerRequest, (request): Identified => {
          const user = identify(request)
          if (user instanceof Error) return Effect.zipRight(count(user._tag), Effect.fail(user))
          return admit(user.name).pipe(
            Effect.tapError(({ _tag }) => Effect.provideService(count(_tag), CurrentUser, user)),
            Effect.zipRight(require(() => unsafeTake(user.name))),
            Effect.as(user)
          )
        })
    }
  })
)

type Identified = Effect.Effect<
  User,
  Forbidden | TooManyRequests | Unauthorized,
  HttpServerRequest.HttpServerRequest | Scope.Scope
>

/**
 * A page of another site can send requests to loopback, under a name of its own or for its visitor. Its `Host` or its
 * `Origin` gives it away.
 */
const isLocalRequest = (headers: Headers.Headers): boolean => {
  const host = headers["host"] ?? ""
  const { origin } = headers
  return isLoopback(host.replace(/:\d+$/, "")) && (origin === undefined || origin === `http://${host}`)
}

/** Whether only this machine can reach an address or name. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || /^127(\.\d{1,3}){3}$/.test(host) || host === "::1" || host === "[::1]"

const digestOf = (token: string): Buffer => createHash("sha256").update(token).digest()
