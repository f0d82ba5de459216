"use strict";
// Colours are named in figures as in the style (`--ink`), and only where a colour can stand: any other text is text.
const figures = JSON.parse(document.getElementById("figures").textContent);

function painted(value, style, isColour) {
  if (typeof value === "string") {
    return isColour && value.startsWith("--") ? style.getPropertyValue(value).trim() : value;
  }
  if (Array.isArray(value)) return value.map((each) => painted(each, style, isColour));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, painted(each, style, /color$|colorscale$/.test(name))]));
}

function draw() {
  const style = getComputedStyle(document.documentElement);
  for (const [id, figure] of Object.entries(figures)) {
    const { data, layout } = painted(figure, style, false);
    Plotly.react(id, data, layout, { displayModeBar: false, responsive: true });
  }
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

// Paper is white and narrow, whatever the screen is.
let before = null;
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll(".answer details:not([open])")];
  for (const each of folded) each.open = true;
  before = document.documentElement.className;
  document.documentElement.className = "paper";
  draw();
  for (const id of Object.keys(figures)) Plotly.relayout(id, { width: document.getElementById(id).clientWidth });
});
addEventListener("afterprint", () => {
  for (const each of folded) each.open = false;
  document.documentElement.className = before;
  for (const id of Object.keys(figures)) Plotly.relayout(id, { width: null, autosize: true });
  draw();
});

// A table's heads become buttons, so that a keyboard sorts it as a mouse does; without scripts it is a plain table.
function key(row, column) {
  const cell = row.cells[column];
  const text = cell.dataset.sort ?? cell.textContent.trim();
  const number = Number(text);
  return text !== "" && !Number.isNaN(number) ? number : text;
}

function sort(table, head, column) {
  const descending = head.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [key(row, column), row]);
  rows.sort(([a], [b]) => {
    if (a === Infinity || b === Infinity) return (a === Infinity) - (b === Infinity); // what is missing comes last
    const order = typeof a === "number" && typeof b === "number"
      ? a - b
      : typeof a === typeof b ? a.localeCompare(b, "en") : typeof a === "number" ? -1 : 1;
    return descending ? -order : order;
  });
  body.append(...rows.map(([, row]) => row));
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => sort(table, head, column));
  });
}

draw();
