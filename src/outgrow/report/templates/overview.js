// Of a large study, at a glance: for every task and method in how many pairs there is a gain, none, or a loss.

const middle = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const at = sorted.length >> 1;
  return sorted.length % 2 ? sorted[at] : (sorted[at - 1] + sorted[at]) / 2;
};

function overviewCell(rows) {
  if (!rows.length) return make("td", { class: "muted" }, "–");
  const counts = { gain: 0, "no gain": 0, loss: 0 };
  rows.forEach((row) => { counts[row.verdict] += 1; });
  const pgrs = rows.map((row) => row.pgr.value).filter((value) => value !== null);
  const unbounded = rows.filter((row) => row.pgr.value !== null && row.pgr.kind !== "interval").length;
  const gain = rows.reduce((sum, row) => sum + row.gain[0], 0) / rows.length;
  const bar = make("span", { class: "tally", "aria-hidden": "true" }, Object.entries(counts).filter(([, count]) => count)
    .map(([name, count]) => make("span", { class: `tally-${name.replace(" ", "-")}`, style: `flex-grow: ${count}` }, String(count))));
  const words = `gain in ${counts.gain}, none in ${counts["no gain"]}, loss in ${counts.loss} of ${plural(rows.length, "pair")}`;
  return make("td", { title: words }, bar, make("span", { class: "hidden" }, words),
    below(`gain ${signed(gain)}`),
    below(`PGR ${pgrs.length ? `${percent(middle(pgrs))}${unbounded ? `, ${unbounded} unb.` : ""}` : "none"}`));
}

function drawOverview() {
  if (!data.overview) return;
  const rows = shownRows();
  const distinct = (key) => [...new Set(rows.map((row) => row[key]))];
  const tasks = distinct("task"), methods = distinct("method");
  const head = make("tr", {}, make("th", { scope: "col" }, "method"), tasks.map((task) => make("th", { scope: "col" }, task)));
  const body = methods.map((method) => make("tr", {}, make("th", { scope: "row", title: data.methods[method] }, method),
    tasks.map((task) => overviewCell(rows.filter((row) => row.task === task && row.method === method)))));
  byId("overview").hidden = !rows.length;
  byId("overview-table").replaceChildren(make("table", { class: "overview" }, make("thead", {}, head), make("tbody", {}, body)));
}
