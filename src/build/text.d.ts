/** The text of a file, put into the program by its bundler: `with { type: "text" }`. */
declare module "*.html" {
  const text: string
  export default text
}
declare module "*.css" {
  const text: string
  export default text
}
declare module "*.js" {
  const text: string
  export default text
}
