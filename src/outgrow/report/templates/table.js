// The table of comparisons: every figure side by side, sortable; a row opens what is to be said about it.

const sorting = { column: null, down: false };
const number = (value) => (value === null || value === undefined ? -Infinity : value);
const below = (text) => make("small", {}, text);

function ratioSpan(ratio) {
  if (ratio.kind === "nothing") return "undefined";
  return ratio.kind === "interval" ? span(ratio.low, ratio.high) : "unbounded";
}
const estimateCell = (estimate, natural) => (estimate
  ? [percent(estimate[0]), below(span(estimate[1], estimate[2])), natural === undefined ? null : below(`(${percent(natural)})`)]
  : ["none"]);
const ratioCell = (ratio, reason) => (ratio ? [percent(ratio.value), below(ratioSpan(ratio))] : [make("span", { title: reason }, "none")]);

function strip(row, reach) {
  const [mean, low, high] = row.gain.map((value) => 45 + 43 * Math.max(-1, Math.min(1, value / reach)));
  const colour = { gain: "var(--good)", loss: "var(--bad)" }[row.verdict] ?? "var(--muted)";
  return make("svg", { class: "strip", width: 90, height: 12, viewBox: "0 0 90 12", "aria-hidden": "true" },
    make("line", { x1: 45, x2: 45, y1: 0, y2: 12, stroke: "var(--muted)", "stroke-width": 1 }),
    make("line", { x1: low, x2: high, y1: 6, y2: 6, stroke: colour, "stroke-width": 2 }),
    make("circle", { cx: mean, cy: 6, r: 3.2, fill: colour }));
}

const columns = [
  { name: "pair", sort: (row) => [row.task, String(sizeOf(row.supervisor)).padStart(14, "0"), String(sizeOf(row.student)).padStart(14, "0")].join("\n") },
  { name: "method", sort: (row) => row.method },
  { name: "weak", sort: (row) => row.weak[0], cell: (row) => estimateCell(row.weak, row.natural.weak) },
  { name: "zero-shot", sort: (row) => number(row.zero_shot?.[0]), cell: (row) => estimateCell(row.zero_shot, row.natural.zero_shot) },
  { name: "student", sort: (row) => row.accuracy[0], cell: (row) => estimateCell(row.accuracy, row.natural.student) },
  { name: "ceiling", sort: (row) => row.ceiling[0], cell: (row) => estimateCell(row.ceiling, row.natural.ceiling) },
  { name: "gain", sort: (row) => row.gain[0], cell: gainCell },
  { name: "PGR", sort: (row) => number(row.pgr.value), cell: (row) => (row.ceiling[0] > row.weak[0] ? ratioCell(row.pgr) : noGap()) },
  { name: "net PGR", sort: (row) => number(row.net_pgr?.value), cell: (row) => ratioCell(row.net_pgr, row.net_pgr_reason) },
  { name: "any", about: "agreement with the supervisor on all test rows", sort: (row) => row.agreement[0], cell: (row) => [percent(row.agreement[0])] },
  { name: "right", about: "agreement where the supervisor is right", sort: (row) => number(row.agreement[1]), cell: (row) => [percent(row.agreement[1])] },
  { name: "wrong", about: "agreement where the supervisor is wrong", sort: (row) => number(row.agreement[2]), cell: (row) => [percent(row.agreement[2])] },
  { name: "time", about: "computing time of the students' own training, all seeds", sort: (row) => row.seconds, cell: (row) => [duration(row.seconds)] },
];

const noGap = () => [make("span", { title: "the ceiling is not above the supervisor" }, "no gap")];

function gainCell(row, reach) {
  return [
    make("span", { class: `verdict-${row.verdict.replace(" ", "-")}` }, signed(row.gain[0])),
    make("span", { class: "hidden" }, `, ${row.verdict}`),
    below(span(row.gain[1], row.gain[2])),
    strip(row, reach),
  ];
}

const groups = [["", 2], ["accuracy", 4], ["over the floor", 1], ["share of the gap", 2], ["agreement where weak is", 3], ["", 1]];

function head() {
  const above = make("tr", {}, groups.map(([text, colspan]) =>
    make(text ? "th" : "td", { colspan, scope: text ? "colgroup" : null, class: "group" }, text)));
  return make("thead", {}, above, make("tr", {}, columns.map((column) => {
    const state = sorting.column !== column ? "none" : sorting.down ? "descending" : "ascending";
    const sort = () => {
      sorting.down = sorting.column === column ? !sorting.down : "cell" in column;
      sorting.column = column;
      drawTable();
      document.querySelector(`#table th[data-column="${column.name}"] button`).focus();
    };
    return make("th", { scope: "col", class: column.cell ? "number" : "", "aria-sort": state, "data-column": column.name },
      make("button", { type: "button", title: column.about ?? `sort by ${column.name}`, onclick: sort }, column.name));
  })));
}

function told(row) {
  const figure = ([name, value]) => `${name.replaceAll("_", " ")} ${name === "log_loss" ? value.toFixed(3) : `${percent(value)}%`}`;
  const all = Object.entries(row.diagnostics), isRule = ([name]) => name.endsWith("_control");
  const diagnostics = all.filter((each) => !isRule(each)).map(figure), rules = all.filter(isRule).map(figure);
  return make("tr", { class: "told", hidden: true }, make("td", { colspan: columns.length },
    make("p", {}, row.sentence),
    row.warnings.length ? make("ul", {}, row.warnings.map((warning) => make("li", {}, warning))) : null,
    make("p", { class: "muted" }, [
      `Floor: ${row.floor}.`,
      `Seeds ${row.seeds.join(", ")}` + (row.missing.length ? `; missing ${row.missing.join(", ")}.` : "."),
      row.net_pgr_reason ? `Net PGR none: ${row.net_pgr_reason}.` : "",
      `${plural(row.counts[0], "answer")}, the supervisor right in ${row.counts[1].toLocaleString("en")}.`,
      diagnostics.length ? `Student: ${diagnostics.join(", ")}.` : "",
      rules.length ? `Rules that read nothing: ${rules.join(", ")}.` : "",
    ].filter((text) => text).join(" "))));
}

// A name is broken over lines only where it is very long.
const whole = (name) => make("span", { class: name.length < 24 ? "whole" : null }, name);

// What is told of a comparison is made when it is asked for.
function tableRows(row, reach) {
  let details = null;
  const toggle = (event) => {
    if (!details) { details = told(row); line.after(details); }
    details.hidden = !details.hidden;
    event.currentTarget.setAttribute("aria-expanded", String(!details.hidden));
  };
  const mark = row.warnings.length ? `⚠ ${row.warnings.length}` : "i";
  const label = row.warnings.length ? plural(row.warnings.length, "warning") : "more";
  const line = make("tr", { "data-comparison": row.id },
    make("th", { scope: "row" }, whole(`${row.supervisor} →`), " ", whole(row.student), below(row.task)),
    make("td", {}, row.method, " ", make("button", { type: "button", class: row.warnings.length ? "more" : "more info", "aria-expanded": "false", "aria-label": `${label} about this comparison`, title: label, onclick: toggle }, mark)),
    columns.slice(2).map((column) => make("td", { class: "number" }, column.cell(row, reach))));
  return [line];
}

function drawTable() {
  const rows = shownRows();
  if (sorting.column) {
    const of = sorting.column.sort;
    rows.sort((a, b) => (of(a) < of(b) ? -1 : of(a) > of(b) ? 1 : 0) * (sorting.down ? -1 : 1));
  }
  const reach = Math.min(0.5, Math.max(0.02, ...rows.map((row) => Math.max(Math.abs(row.gain[1]), Math.abs(row.gain[2])))));
  const body = rows.length
    ? rows.flatMap((row) => tableRows(row, reach))
    : [make("tr", {}, make("td", { colspan: columns.length, class: "empty" }, "No comparison passes the filters."))];
  byId("table").replaceChildren(make("table", {},
    make("caption", { class: "hidden" }, "Every comparison with its figures; headings sort"), head(), make("tbody", {}, body)));
}
