/** The version of this library. A test compares it with package.json, which the library cannot read in a bundle. */
export const libraryVersion = "0.1.0"
