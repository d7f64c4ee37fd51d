/** The text of a SQL file, put into the program by its bundler. */
declare module "*.sql" {
  const text: string
  export default text
}
