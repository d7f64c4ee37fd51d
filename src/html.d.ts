/** The text of an HTML file, put into the program by its bundler. */
declare module "*.html" {
  const text: string
  export default text
}
