/** The text of a file: `with { type: "text" }`. The bundler puts it into the program. */
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
