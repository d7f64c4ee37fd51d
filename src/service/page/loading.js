/**
 * Loads the page again when one of its own files was lost on the way. It is a script, not a module: it has to listen
 * before the others are loaded.
 */
{
  const where = "loads"
  const mostTries = 3
  let isWhole = true
  addEventListener(
    "error",
    ({ target }) => {
      if (!isWhole || !(target instanceof HTMLScriptElement || target instanceof HTMLLinkElement)) return
      isWhole = false
      const tries = Number(sessionStorage.getItem(where) ?? 0) + 1
      sessionStorage.setItem(where, String(tries))
      if (tries <= mostTries) setTimeout(() => location.reload(), 1000 * tries)
      const status = document.querySelector("#status")
      const words = tries <= mostTries ? "Loading again" : "A part of this page could not be loaded. Load it again."
      if (status !== null) status.textContent = words
    },
    { capture: true }
  )
  addEventListener("load", () => {
    if (isWhole) sessionStorage.removeItem(where)
  })
}
