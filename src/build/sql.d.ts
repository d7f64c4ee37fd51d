/** The text of a SQL file. The bundler puts it into the program. */
declare module "*.sql" {
  const text: string
  export default text
}
