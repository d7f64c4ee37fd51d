/** What runs this program, such as `Node.js 20.20.2`. */
export const runtime = ((): string => {
  const { bun, deno, electron, node } = process.versions
  if (bun !== undefined) return `Bun ${bun}`
  if (deno !== undefined) return `Deno ${deno}`
  return electron === undefined ? `Node.js ${node}` : `Electron ${electron} (Node.js ${node})`
})()
