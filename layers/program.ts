/** The program's own door, which is not published: what only its commands need is in the package once, not twice. */

export { type Conversion, convertMigrations } from "./operate/convert.ts"
