// Draws the charts, keeps their highlighting together, sorts tables, lists numbers.
"use strict";
const page = JSON.parse(document.getElementById("page").textContent);
const views = [];
let chosen = "";

function rows(name) {
  const table = page.datasets[name], fields = Object.keys(table), n = fields.length ? table[fields[0]].length : 0;
  return Array.from({length: n}, (_, i) => Object.fromEntries(fields.map(f => [f, table[f][i]])));
}

function names(spec, found = new Set()) {
  if (spec && typeof spec === "object") {
    if (spec.data && spec.data.name) found.add(spec.data.name);
    Object.values(spec).forEach(part => names(part, found));
  }
  return found;
}

function highlight(run) {
  chosen = chosen === run ? "" : run;
  document.querySelectorAll(".legend button").forEach(b => b.setAttribute("aria-pressed", String(b.dataset.run === chosen)));
  views.forEach(view => view.signal("chosen", chosen).runAsync());
}

async function draw(box) {
  const spec = structuredClone(page.charts[box.dataset.chart]);
  spec.datasets = Object.fromEntries([...names(spec)].map(name => [name, rows(name)]));
  try {
    const {view} = await vegaEmbed(box, spec, {config: page.config, renderer: "svg", actions: false, tooltip: {theme: "page"}});
    if (JSON.stringify(spec).includes('"chosen"')) {
      views.push(view);
      if (chosen) view.signal("chosen", chosen).runAsync();
      view.addEventListener("click", (event, item) => {
        const run = item && item.datum && (item.datum.run || (item.datum.datum && item.datum.datum.run));
        if (run) highlight(run);
      });
    }
    const svg = box.querySelector("svg");
    if (svg) svg.setAttribute("aria-hidden", "true");
    box.removeAttribute("aria-roledescription");
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", box.dataset.alt);
  } catch (error) {
    console.error("chart " + box.dataset.chart, error);
    box.innerHTML = '<p class="failed">This chart could not be drawn; its numbers are listed below.</p>';
  }
}

async function drawAll() {
  for (const box of document.querySelectorAll(".chart")) {
    await draw(box);
    await new Promise(next => setTimeout(next));
  }
  document.documentElement.dataset.drawn = String(document.querySelectorAll(".chart svg").length);
}

document.querySelectorAll(".legend button").forEach(b => b.addEventListener("click", () => highlight(b.dataset.run)));
document.addEventListener("keydown", event => { if (event.key === "Escape" && chosen) highlight(chosen); });

function key(row, column) {
  const cell = row.cells[column], value = cell.dataset.sort;
  return value === undefined ? cell.textContent : value === "" ? NaN : isNaN(Number(value)) ? value : Number(value);
}
document.querySelectorAll("table.sortable thead button").forEach(button => button.addEventListener("click", () => {
  const head = button.closest("th"), body = button.closest("table").tBodies[0], column = head.cellIndex;
  const down = head.getAttribute("aria-sort") !== "descending";
  head.parentNode.querySelectorAll("th[aria-sort]").forEach(th => th.setAttribute("aria-sort", "none"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const compare = (a, b) => {
    const x = key(a, column), y = key(b, column);
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
    return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1);
  };
  [...body.rows].sort(compare).forEach(row => body.append(row));
}));

function show(value) {
  if (value === null || value === undefined) return "\u2013";
  if (typeof value === "number" && !Number.isInteger(value)) return Number(value.toPrecision(4)).toString();
  return String(value);
}
document.querySelectorAll("details.numbers").forEach(box => box.addEventListener("toggle", () => {
  if (box.dataset.filled || !box.open) return;
  box.dataset.filled = "yes";
  for (const name of box.dataset.tables.split(" ")) {
    const all = rows(name), fields = Object.keys(page.datasets[name]), table = document.createElement("table");
    const head = table.createTHead().insertRow();
    fields.forEach(f => { const th = document.createElement("th"); th.textContent = f; th.scope = "col"; head.append(th); });
    const body = table.createTBody();
    all.slice(0, 400).forEach(row => { const tr = body.insertRow(); fields.forEach(f => { tr.insertCell().textContent = show(row[f]); }); });
    const scroll = document.createElement("div");
    scroll.className = "scroll"; scroll.tabIndex = 0; scroll.append(table); box.append(scroll);
    if (all.length > 400) {
      const more = document.createElement("p");
      more.textContent = "The first 400 of " + all.length + " rows."; box.append(more);
    }
  }
}));

const links = [...document.querySelectorAll("nav.contents a")];
if ("IntersectionObserver" in window) {
  const seen = new Map();
  const watch = new IntersectionObserver(entries => {
    entries.forEach(e => seen.set(e.target.id, e.isIntersecting));
    const current = links.find(a => seen.get(a.hash.slice(1)));
    if (current) links.forEach(a => a === current ? a.setAttribute("aria-current", "true") : a.removeAttribute("aria-current"));
  }, {rootMargin: "0px 0px -70% 0px"});
  links.forEach(a => { const target = document.getElementById(a.hash.slice(1)); if (target) watch.observe(target); });
}
const contents = document.querySelector("nav.contents details");
const wide = window.matchMedia("(min-width:72rem)");
const fit = () => { if (contents) contents.open = wide.matches; };
wide.addEventListener("change", fit); fit();
drawAll();
