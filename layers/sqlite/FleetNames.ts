/** From a name to a file of a fleet's directory, and back. Names come from requests. */
import { join, resolve } from "node:path"
import * as Effect from "effect/Effect"
import { files, trySync } from "../machine/files.ts"
import { urlOf, withoutSecrets } from "./DatabasePath.ts"
import { FleetError } from "./FleetError.ts"

/** Where the files of a fleet are. */
export interface Place {
  /** Absolute path. */
  readonly directory: string
  /** What the names of its databases end with. */
  readonly extension: string
}

/** A file name has 255 bytes at most (limits.h); the longest that this library puts behind one has 60. */
const longest = 190

/**
 * What is wrong with a name; undefined if nothing is. One name is one file: so no path, nothing that a filesystem
 * changes or takes for the same, and nothing that another program takes for a setting or a hidden file.
 */
const faultOf = (name: string, extension: string): string | undefined => {
  // A request may bring anything, whatever its type says.
  if (typeof name !== "string") return "it is not a text"
  if (name === "") return "it is empty"
  if (/[/\\:]/.test(name)) return "it has a slash, a backslash or a colon"
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\u0000-\u001f\u007f]/.test(name)) return "it has a control character"
  if (name.startsWith(".")) return "it begins with a dot"
  if (name !== name.trim()) return "it has a blank at an end"
  // Written as UTF-8, every half of a pair becomes the same U+FFFD.
  if (/\p{Surrogate}/u.test(name)) return "it is not valid Unicode"
  if (name !== name.normalize("NFC")) return "it is not in Unicode's normal form C"
  const bytes = Buffer.byteLength(name + extension)
  return bytes > longest ? `it has ${bytes} bytes with its extension; ${longest} is the most` : undefined
}

const isExtension = (extension: string): boolean =>
  /^\.\w[\w.-]*$/.test(extension) && !/(?:-wal|-shm|-journal|\.backup|\.partial|\.uncommitted)$/.test(extension)

const refuse = (
  { directory }: Place,
  name: string,
  reason: FleetError["reason"],
  more: Partial<Pick<FleetError, "code" | "database" | "detail" | "retryable">> = {}
) => new FleetError({ reason, name: String(name), directory, detail: "", code: "", retryable: false, ...more })

/** The absolute path of a name's file. A name that cannot be used is refused before anything is looked at. */
export const fileOf = (place: Place, name: string): Effect.Effect<string, FleetError> => {
  const detail = faultOf(name, place.extension)
  return detail === undefined
    ? Effect.succeed(join(place.directory, `${name}${place.extension}`))
    : refuse(place, name, "InvalidName", { detail })
}

/** Refuses a link, and what is absent unless it may be created. */
export const requireOwnFile = (
  place: Place,
  { database, mayCreate, name }: { readonly database: string; readonly mayCreate: boolean; readonly name: string }
): Effect.Effect<void, FleetError> =>
  Effect.flatMap(
    Effect.mapError(
      trySync(() => files.lstat(database)),
      ({ code, detail, retryable }) => refuse(place, name, "Unreadable", { code, detail, retryable, database })
    ),
    (found) => {
      if (found === undefined) return mayCreate ? Effect.void : refuse(place, name, "NotFound", { database })
      return found.isSymbolicLink()
        ? refuse(place, name, "Linked", { database, detail: "one file, one database" })
        : Effect.void
    }
  )

/** The names of what ends with the extension, in order. What begins with a dot is other programs'. */
export const namesIn = (place: Place): Effect.Effect<ReadonlyArray<string>, FleetError> =>
  Effect.mapBoth(
    trySync(() => files.names(place.directory)),
    {
      onSuccess: (names) =>
        names
          .filter((name) => name.endsWith(place.extension) && !name.startsWith("."))
          .map((name) => name.slice(0, -place.extension.length))
          .sort(),
      onFailure: ({ code, detail, retryable }) => refuse(place, "", "Unreadable", { code, detail, retryable })
    }
  )

/** An extension that the files beside a database have, or none, would make databases of them. */
export const placeOf = (wanted: string, extension: string): Effect.Effect<Place, FleetError> => {
  const url = urlOf(wanted)
  if (url !== undefined) {
    return refuse({ directory: withoutSecrets(wanted), extension }, "", "OtherEngine", { detail: url })
  }
  const place: Place = { directory: resolve(wanted), extension }
  return isExtension(extension) ? Effect.succeed(place) : refuse(place, "", "InvalidExtension", { detail: extension })
}
