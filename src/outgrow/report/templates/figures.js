// The figures: made in Python as data, here chosen, filtered, coloured and drawn, each when it comes into view.

const panels = [];
const titles = {
  accuracy: "Accuracy against student size", pgr: "PGR against student size", agreement: "Agreement with the supervisor",
  "heat-map": "Supervisors and students", curves: "Over training", "agreement-of-all": "Agreement with the supervisor, all tasks",
};
const ALL_TASKS = "all tasks";
const quantities = { gain: "gain over the floor", pgr: "PGR", net_pgr: "net PGR" };
const measured = { accuracy: "test accuracy", agreement: "agreement with weak labels" };
let allFigures = [];

function colours() {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name.slice(1)}`).trim();
}
function themed(value, colour) {
  if (typeof value === "string") return /^@[a-z0-9]+$/.test(value) ? colour(value) : value;
  if (Array.isArray(value)) return value.map((each) => themed(each, colour));
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, themed(each, colour)]));
  return value;
}

const allows = (key, value) => value === undefined || !chosen[key].size || chosen[key].has(value);

// Returns the trace with the points that pass, or null where none is left.
function filteredTrace(trace) {
  if (!allows("method", trace.meta.method) || !allows("supervisor", trace.meta.supervisor)) return null;
  if (trace.meta.key) return trace;
  if (trace.type === "heatmap") return filteredMap(trace);
  if (!trace.customdata) return trace;
  const kept = trace.customdata.map((each, i) => (allows("student", each[0]) ? i : -1)).filter((i) => i >= 0);
  const pick = (list) => (Array.isArray(list) ? kept.map((i) => list[i]) : list);
  const errors = trace.error_y && { ...trace.error_y, array: pick(trace.error_y.array), arrayminus: pick(trace.error_y.arrayminus) };
  const marker = { ...trace.marker, symbol: pick(trace.marker.symbol) };
  return kept.length ? { ...trace, x: pick(trace.x), y: pick(trace.y), customdata: pick(trace.customdata), error_y: errors, marker } : null;
}

function filteredMap(trace) {
  const rows = trace.meta.rows.map((name, i) => (allows("supervisor", name) ? i : -1)).filter((i) => i >= 0);
  const cells = trace.meta.columns.map((name, i) => (allows("student", name) ? i : -1)).filter((i) => i >= 0);
  const pick = (table) => rows.map((i) => cells.map((j) => table[i][j]));
  if (!rows.length || !cells.length) return null;
  return { ...trace, x: cells.map((j) => trace.x[j]), y: rows.map((i) => trace.y[i]), z: pick(trace.z), text: pick(trace.text) };
}

function chosenFigure(panel) {
  return allFigures.find((figure) =>
    figure.task === panel.task && figure.kind === panel.kind && figure.variant.seed === chosen.seed &&
    Object.entries(panel.choices).every(([key, select]) => figure.variant[key] === select.value));
}

// A legend below the plot takes lines of its own: the figure grows by them.
function legendLines(traces, width) {
  let lines = 1, used = 0;
  for (const trace of traces.filter((each) => each.showlegend !== false)) {
    const need = 48 + 6.6 * (trace.name ?? "").length;
    if (used && used + need > width) { lines += 1; used = 0; }
    used += need;
  }
  return lines;
}

async function ready() {
  const [Plotly, figures] = await Promise.all([loadPlotly(), unpack("figures")]);
  allFigures = figures;
  byId("panels").dataset.ready = "";
  return Plotly;
}

async function draw(panel) {
  await render(panel, await ready());
}

// Draws at once, and returns what Plotly may still wait for. `paper`: in light colours, as wide as a printed column.
function render(panel, Plotly, paper = false) {
  const figure = chosenFigure(panel);
  const only = panel.only?.value ?? "";
  let traces = (figure?.data ?? []).filter((trace) => !only || !trace.meta.method || trace.meta.method === only).map(filteredTrace).filter((trace) => trace);
  if (panel.only) traces = ofOneMethod(traces);
  let inside = [];
  if (figure?.panels.length) [inside, traces] = shownPanels(figure, traces);
  panel.title.textContent = figure?.title ?? panel.title.textContent;
  panel.words.textContent = figure?.alt ?? "";
  panel.note.textContent = figure?.note ?? "";
  panel.plot.setAttribute("aria-label", figure ? `${panel.task}: ${figure.title}. ${figure.alt}` : "No data to draw: the figure is empty");
  const any = traces.some((trace) => trace.type === "heatmap" || trace.customdata);
  panel.none.hidden = any;
  panel.plot.hidden = !any;
  panel.figure.dataset.drawn = chosen.seed === null ? "pooled" : String(chosen.seed);
  if (any) {
    const width = paper ? (panel.figure.classList.contains("wide") ? 960 : 460) : panel.plot.clientWidth || 600;
    const layout = themed(figure.layout, colours());
    if (inside.length) arrange(layout, themed(inside, colours()), width - 72);
    if (panel.kind !== "heat-map") {
      const extra = 19 * (legendLines(traces, width - 72) - 1);
      layout.height += extra;
      layout.margin.b += 40 + extra;
      layout.legend = { ...layout.legend, yref: "container", yanchor: "bottom", y: 0 };
    }
    layout.uirevision = "kept";
    if (paper) layout.width = width;
    layout.dragmode = false; // a finger that moves over a figure scrolls the page
    // Plotly's bar of buttons would lie on top of the data: what is needed of it is the button in the caption.
    return Plotly.react(panel.plot, themed(traces, colours()), layout, { displayModeBar: false, responsive: true });
  }
  return null;
}

// A page is printed right after it was asked for: what is drawn has to be drawn at once, whatever was scrolled to.
function drawForPaper() {
  if (!window.Plotly || !allFigures.length) return;
  const root = document.documentElement, theme = root.dataset.theme;
  root.dataset.theme = "light";
  panels.forEach((panel) => render(panel, window.Plotly, true));
  if (theme === undefined) delete root.dataset.theme;
  else root.dataset.theme = theme;
}

// Where one method is left, colours may say the supervisor.
function ofOneMethod(traces) {
  const methods = new Set(traces.map((trace) => trace.meta.method).filter((name) => name));
  if (methods.size !== 1) return traces;
  return traces.map((trace) => {
    const color = trace.meta.alone;
    if (!color) return trace;
    const errors = trace.error_y && { ...trace.error_y, color };
    return { ...trace, line: { ...trace.line, color }, marker: { ...trace.marker, color }, error_y: errors };
  });
}

async function save(panel) {
  const Plotly = await loadPlotly();
  const { clientWidth: width, clientHeight: height } = panel.plot;
  await Plotly.downloadImage(panel.plot, { format: "svg", filename: `${panel.task}-${panel.kind}`.replace(/[^\w.]+/g, "-"), width, height });
}

async function drawSafely(panel) {
  panel.stale = false;
  try {
    await draw(panel);
  } catch (error) {
    panel.none.hidden = false;
    panel.none.textContent = `The figure cannot be drawn: ${error.message}`;
    panel.figure.dataset.failed = error.message;
  }
}

function addPanel(task, kind, wide) {
  const choices = {};
  const panel = { task, kind, choices, stale: true, visible: false };
  panel.title = make("span", {}, titles[kind]);
  panel.plot = make("div", { class: "plot", role: "img", "aria-label": "Figure, not drawn yet" });
  panel.none = make("p", { class: "empty", hidden: true }, "Nothing here passes the filters.");
  panel.words = make("p", {});
  panel.note = make("p", { class: "note" });
  const selects = make("span", { class: "choices" });
  const methods = methodsOf(task).map((name) => [name, name]);
  if (kind === "heat-map") choices.quantity = chooser("Quantity", Object.entries(quantities));
  if (kind === "heat-map") choices.method = chooser("Method", methods);
  if (kind === "curves") choices.quantity = chooser("Quantity", Object.entries(measured));
  if (kind === "agreement-of-all") choices.method = chooser("Method", [["", "the plain method"], ...methods]);
  if (bySize.includes(kind) && crowded(task)) {
    panel.only = chooser("Method", [...methods, ["", "all methods"]]);
    panel.only.value = plainMethod(task);
  }
  for (const select of [...Object.values(choices), panel.only].filter((each) => each)) {
    select.addEventListener("change", () => { select.dataset.chosen = select.value; drawSafely(panel); });
    selects.append(select);
  }
  selects.append(make("button", { type: "button", class: "plain", title: "Save this figure as SVG", onclick: () => save(panel) }, "SVG"));
  panel.figure = make("figure", { class: wide ? "wide" : "", "data-kind": kind, "data-task": task },
    make("figcaption", {}, panel.title, selects), panel.plot, panel.none, panel.note,
    make("details", {}, make("summary", {}, "In words, all comparisons"), panel.words));
  panels.push(panel);
  return panel.figure;
}

const bySize = ["accuracy", "pgr", "agreement"];
const chooser = (name, options) => make("select", { "aria-label": name }, options.map(([value, text]) => make("option", { value }, text)));
const rowsOf = (task) => data.rows.filter((row) => row.seed === null && (task === ALL_TASKS || row.task === task));
const methodsOf = (task) => [...new Set(rowsOf(task).map((row) => row.method))];
const plainMethod = (task) => ["naive", "naive-hard"].find((name) => methodsOf(task).includes(name)) ?? methodsOf(task)[0];

// Nobody can follow so many lines: one method is shown, until another is asked for.
function crowded(task) {
  return methodsOf(task).length > 1 && new Set(rowsOf(task).map((row) => `${row.supervisor}\n${row.method}`)).size > 8;
}

function startFigures() {
  if (data.tasks.length > 1) {
    byId("panels").append(make("div", { class: "grid all-tasks" }, addPanel(ALL_TASKS, "agreement-of-all", true)));
  }
  for (const task of data.tasks) {
    const small = [...bySize, "heat-map"].map((kind) => addPanel(task.name, kind, false));
    byId("panels").append(make("div", { class: "task", "data-task": task.name },
      make("h3", {}, task.name),
      make("p", { class: "muted" }, `${task.about} ${plural(task.test_rows, "test row")}.`),
      task.notes.length ? make("p", { class: "muted" }, task.notes.join(" ")) : null,
      make("div", { class: "grid" }, small, task.curves ? addPanel(task.name, "curves", true) : null)));
  }
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const panel = panels.find((each) => each.figure === entry.target);
      panel.visible = entry.isIntersecting;
      if (panel.visible && panel.stale) drawSafely(panel);
    }
  }, { rootMargin: "400px" });
  panels.forEach((panel) => observer.observe(panel.figure));
  themeListeners.push(redraw);
  addEventListener("beforeprint", drawForPaper);
  addEventListener("afterprint", () => panels.forEach((panel) => (panel.visible ? drawSafely(panel) : (panel.stale = true))));
  (window.requestIdleCallback ?? setTimeout)(() => ready().catch(() => null)); // drawing says what went wrong
}

function redraw() {
  for (const section of document.querySelectorAll(".task")) section.hidden = !allows("task", section.dataset.task);
  for (const panel of panels) {
    const method = panel.choices.method;
    if (method && !allows("method", method.value)) {
      const other = [...method.options].find((option) => allows("method", option.value));
      if (other) method.value = other.value;
    }
    // The page's filter says which methods; without it the figure goes back to the plain one.
    if (panel.only) panel.only.value = chosen.method.size ? "" : panel.only.dataset.chosen ?? plainMethod(panel.task);
    panel.stale = true;
    if (panel.visible) drawSafely(panel);
  }
}
