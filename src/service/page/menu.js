/** A button with a menu, as in the ARIA Authoring Practices: arrows, Home, End, Escape, first letters. */
import { box, make } from "./dom.js"
import { icon } from "./icons.js"

/** @typedef {{ readonly text: string, readonly act: () => unknown, readonly isDanger?: boolean }} Item */

const menu = box("menu")
/** @type {HTMLButtonElement | undefined} */
let opener

const items = () => [...menu.querySelectorAll("button")]

const close = () => {
  if (opener === undefined) return
  opener.ariaExpanded = "false"
  opener = undefined
  menu.hidePopover()
}

/** The button may have been drawn anew while its menu was open. @param {HTMLButtonElement} from */
const focusOn = (from) => {
  const buttons = [...document.querySelectorAll("button")]
  const now = from.isConnected
    ? from
    : buttons.find((one) => one.ariaHasPopup !== null && one.ariaLabel === from.ariaLabel)
  now?.focus()
}

/**
 * @param {HTMLButtonElement} from
 * @param {ReadonlyArray<Item>} given
 */
const open = (from, given) => {
  close()
  opener = from
  from.ariaExpanded = "true"
  // A modal dialog makes everything outside it unreachable.
  const host = from.closest("dialog") ?? box("main")
  if (menu.parentElement !== host) host.append(menu)
  menu.ariaLabel = from.ariaLabel
  menu.replaceChildren(
    ...given.map(({ act, isDanger = false, text }) => {
      const item = make(
        "button",
        { type: "button", role: "menuitem", tabIndex: -1, className: isDanger ? "danger" : "" },
        text
      )
      item.onclick = () => {
        close()
        focusOn(from)
        act()
      }
      return item
    })
  )
  menu.showPopover()
  place(from)
  items()[0]?.focus()
}

/**
 * Places the menu under its button, or above it if there is no room, and always inside the window.
 * @param {Element} from
 */
const place = (from) => {
  const anchor = from.getBoundingClientRect()
  const size = menu.getBoundingClientRect()
  const left = Math.max(8, Math.min(anchor.right - size.width, innerWidth - size.width - 8))
  const below = anchor.bottom + 4
  const top = below + size.height <= innerHeight - 8 ? below : Math.max(8, anchor.top - size.height - 4)
  menu.style.setProperty("left", `${left}px`)
  menu.style.setProperty("top", `${top}px`)
}

menu.addEventListener("keydown", (event) => {
  const all = items()
  const here = all.findIndex((item) => item.matches(":focus"))
  /** @param {number} index */
  const go = (index) => {
    event.preventDefault()
    all.at(index % all.length)?.focus()
  }
  if (event.key === "ArrowDown") return go(here + 1)
  if (event.key === "ArrowUp") return go(here - 1)
  if (event.key === "Home") return go(0)
  if (event.key === "End") return go(-1)
  if (event.key === "Escape" || event.key === "Tab") {
    // Escape closes the menu, but not the dialog around it.
    event.preventDefault()
    event.stopPropagation()
    const back = opener
    close()
    if (back !== undefined) focusOn(back)
    return
  }
  if (event.key.length !== 1) return
  const begins = all.findIndex(
    (item, index) => index > here && item.textContent?.toLowerCase().startsWith(event.key.toLowerCase())
  )
  if (begins >= 0) go(begins)
})
addEventListener("pointerdown", ({ target }) => {
  if (!(target instanceof Node) || menu.contains(target) || opener?.contains(target) === true) return
  close()
})
/** Keeps the menu at its button. */
const follow = () => {
  if (opener?.isConnected === true) place(opener)
  else close()
}
addEventListener("resize", follow)
addEventListener("scroll", follow, { capture: true, passive: true })

/**
 * @param {string} label
 * @param {() => ReadonlyArray<Item>} itemsNow
 */
export const menuButton = (label, itemsNow) => {
  const element = make(
    "button",
    { type: "button", ariaLabel: label, ariaHasPopup: "menu", ariaExpanded: "false", title: "More" },
    icon("more")
  )
  element.onclick = () => (opener === element ? close() : open(element, itemsNow()))
  element.onkeydown = (event) => {
    if (event.key !== "ArrowDown") return
    event.preventDefault()
    open(element, itemsNow())
  }
  return element
}
