/** Tables of the administrator's view, and lists that are shown page by page. */
import { button, focusIn, make } from "./dom.js"
import { attempt } from "./message.js"

/**
 * A table that scrolls on its own if the screen is narrow.
 * @param {string} label
 * @param {ReadonlyArray<string>} columns
 * @param {ReadonlyArray<ReadonlyArray<import("./dom.js").Child>>} rows
 */
export const table = (label, columns, rows) =>
  make(
    "div",
    { className: "scroll", tabIndex: 0, role: "region", ariaLabel: label },
    make(
      "table",
      {},
      make(
        "thead",
        {},
        make(
          "tr",
          {},
          ...columns.map((column) =>
            make("th", { scope: "col", className: column.length <= oneLine ? "short" : "" }, column)
          )
        )
      ),
      make("tbody", {}, ...rows.map((cells) => make("tr", {}, ...cells.map(cellOf))))
    )
  )

/** The longest content of a cell that stays in one line. */
const oneLine = 24

/** @param {import("./dom.js").Child} content */
const cellOf = (content) => {
  const cell = make("td", {}, content)
  cell.classList.toggle("short", (cell.textContent ?? "").length <= oneLine)
  return cell
}

/**
 * Shows a list page by page.
 * @template T
 * @param {HTMLElement} host
 * @param {string} label
 * @param {ReadonlyArray<string>} columns
 * @param {string} none what is shown if there is nothing
 * @param {(after: T | undefined) => Promise<{ readonly rows: ReadonlyArray<ReadonlyArray<import("./dom.js").Child>>, readonly next: T | null }>} read
 */
export const showPages = async (host, label, columns, none, read) => {
  /** @type {Array<ReadonlyArray<import("./dom.js").Child>>} */
  const rows = []
  /** @param {T | undefined} after */
  const more = async (after) => {
    const page = await read(after)
    rows.push(...page.rows)
    const { next } = page
    host.replaceChildren(
      rows.length === 0 ? make("p", { className: "soft" }, none) : table(label, columns, rows),
      ...(next === null
        ? []
        : [button("Show more", () => attempt(() => showMore(next)), { about: label.toLowerCase() })])
    )
  }
  /** @param {T} after */
  const showMore = async (after) => {
    const before = rows.length
    await more(after)
    // The table is new. The focus goes to the first new row.
    const row = host.querySelectorAll("tbody tr")[before]
    if (row instanceof HTMLElement) focusIn(row, host.querySelector("[tabindex]") ?? host)
  }
  await more(undefined)
}
