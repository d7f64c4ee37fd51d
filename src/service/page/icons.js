/** The page's icons, drawn with lines on a square of 24. */

const paths = {
  download: "M12 4v11m-5-4.5 5 5 5-5M5 20h14",
  more: "M5 11.5v1M12 11.5v1M19 11.5v1",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13",
  restore: "M4 10h11a5 5 0 0 1 0 10h-4M4 10l4-4M4 10l4 4",
  previous: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  close: "M6 6l12 12M18 6L6 18",
  details: "M12 11v6M12 7.5h.01M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0z",
  edit: "M4 20h4L19 9l-4-4L4 16zM13.5 6.5l4 4",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1"
}

/** @typedef {keyof typeof paths} IconName */

const svg = "http://www.w3.org/2000/svg"

/** @param {IconName} name */
export const icon = (name) => {
  const drawing = document.createElementNS(svg, "svg")
  drawing.setAttribute("viewBox", "0 0 24 24")
  drawing.setAttribute("class", "icon")
  drawing.setAttribute("aria-hidden", "true")
  const path = document.createElementNS(svg, "path")
  path.setAttribute("d", paths[name])
  drawing.append(path)
  return drawing
}
