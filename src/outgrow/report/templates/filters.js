// The filters: no chip pressed means everything. One seed shows that seed's own numbers instead of the pooled ones.

const chosen = { task: new Set(), method: new Set(), supervisor: new Set(), student: new Set(), seed: null };
const filterListeners = [];
const sizeOf = (name) => data.sizes[name] ?? 0;

function passes(row) {
  return ["task", "method", "supervisor", "student"].every((key) => !chosen[key].size || chosen[key].has(row[key]));
}
const shownRows = () => data.rows.filter((row) => row.seed === chosen.seed && passes(row));

function changed() {
  for (const chip of document.querySelectorAll("#filters .chip")) chip.setAttribute("aria-pressed", String(chip.isPressed()));
  const rows = shownRows();
  const all = data.rows.filter((row) => row.seed === null).length;
  const any = chosen.seed !== null || ["task", "method", "supervisor", "student"].some((key) => chosen[key].size);
  byId("shown").textContent = `${rows.length} of ${plural(all, "comparison")}` + (chosen.seed === null ? "" : `, seed ${chosen.seed} alone`);
  byId("clear").disabled = !any;
  filterListeners.forEach((listener) => listener());
}

function chip(text, isPressed, press, title) {
  const button = make("button", { type: "button", class: "chip", title, onclick: () => { press(); changed(); } }, text);
  button.isPressed = isPressed;
  return button;
}

function chipSet(key, legend, values) {
  if (values.length < 2) return null;
  const chips = values.map((value) =>
    chip(
      value,
      () => chosen[key].has(value),
      () => { if (!chosen[key].delete(value)) chosen[key].add(value); },
      key === "method" ? data.methods[value] : value,
    ));
  return make("fieldset", { "data-filter": key }, make("legend", {}, legend), chips);
}

function startFilters() {
  const pooled = data.rows.filter((row) => row.seed === null);
  const values = (key) => [...new Set(pooled.map((row) => row[key]))];
  const bySize = (a, b) => sizeOf(a) - sizeOf(b);
  const seeds = data.study.seeds.length < 2 ? null : make("fieldset", { "data-filter": "seed" },
    make("legend", {}, "seed"),
    [null, ...data.study.seeds].map((seed) =>
      chip(seed === null ? "all" : String(seed), () => chosen.seed === seed, () => { chosen.seed = seed; },
        seed === null ? "pooled over seeds" : `seed ${seed} alone: intervals cover the test rows only`)));
  byId("filters").append(...[
    chipSet("task", "task", values("task")),
    chipSet("supervisor", "supervisor", values("supervisor").sort(bySize)),
    chipSet("student", "student", values("student").sort(bySize)),
    chipSet("method", "method", values("method")),
    seeds,
    make("button", { type: "button", class: "plain", id: "clear", onclick: clearFilters }, "Clear"),
    make("span", { id: "shown", role: "status" }),
  ].filter((each) => each));
}

function clearFilters() {
  for (const key of ["task", "method", "supervisor", "student"]) chosen[key].clear();
  chosen.seed = null;
  changed();
}
