/** What the package is called. The whole of package.json would be in each bundle. A test compares the two. */
export const name = "database-ready"
export const version = "0.1.0"
