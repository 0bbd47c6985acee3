// The browser of single test rows: who said what, and whether the student followed its supervisor.

const PAGE = 12;
const situations = [
  ["", "all rows", () => true],
  ["overruled-right", "student overruled the supervisor and was right", (row) => !row.follows && row.studentRight],
  ["overruled-wrong", "student overruled a supervisor that was right", (row) => !row.follows && row.weakRight],
  ["followed-right", "student followed the supervisor and was right", (row) => row.follows && row.studentRight],
  ["followed-wrong", "student followed the supervisor and was wrong", (row) => row.follows && !row.studentRight],
  ["both-wrong", "student and supervisor wrong in different ways", (row) => !row.follows && !row.studentRight && !row.weakRight],
];
const browsing = { task: null, packed: null, page: 0 };
const controls = {};
const comparisonOf = (id) => data.rows.find((row) => row.id === id && row.seed === null);

function option(value, text) {
  return make("option", { value }, text);
}

function startExamples() {
  const root = byId("browser");
  if (!data.examples.length) {
    root.append(make("p", { class: "muted" }, "The store keeps no test rows of this study, so there are no examples to show."));
    return;
  }
  controls.task = make("select", { id: "example-task", onchange: openTask }, data.examples.map((each) => option(each.task, each.task)));
  controls.comparison = make("select", { id: "example-comparison", onchange: seedsOf });
  controls.seed = make("select", { id: "example-seed", onchange: firstPage });
  controls.situation = make("select", { id: "example-situation", onchange: firstPage });
  controls.search = make("input", { type: "search", id: "example-search", placeholder: "text, id, or answer" });
  let waiting = 0;
  controls.search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(firstPage, 120); });
  const labelled = [["Task", "task"], ["Comparison", "comparison"], ["Seed", "seed"], ["Show", "situation"], ["Search", "search"]];
  controls.count = make("p", { class: "muted", role: "status", id: "example-count" });
  controls.cards = make("div", { class: "cards", id: "cards" });
  controls.pager = make("div", { class: "pager" });
  controls.rule = make("p", { class: "muted" });
  root.append(make("div", { class: "controls" }, labelled.map(([text, key]) => make("label", {}, text, controls[key]))),
    controls.count, controls.cards, controls.pager, make("details", {}, make("summary", {}, "How these rows were drawn"), controls.rule));
  filterListeners.push(follow);
  new IntersectionObserver((entries, observer) => {
    if (entries.some((entry) => entry.isIntersecting)) { observer.disconnect(); openTask(); }
  }, { rootMargin: "600px" }).observe(root);
}

// The page's filters choose here too: another task, fewer comparisons, a seed.
function follow() {
  if (!browsing.packed) return;
  const other = data.examples.find((each) => allows("task", each.task));
  if (other && !allows("task", controls.task.value)) {
    controls.task.value = other.task;
    openTask();
  } else {
    fillComparisons();
  }
}

async function openTask() {
  browsing.task = data.examples.find((each) => each.task === controls.task.value);
  try {
    browsing.packed = await unpack(browsing.task.name);
  } catch (error) {
    controls.count.textContent = `The examples cannot be shown: ${error.message}`;
    return;
  }
  const { shown, of } = browsing.task;
  controls.rule.textContent = shown === of
    ? `All ${plural(of, "test row")} of the task are here.`
    : `${shown.toLocaleString("en")} of ${plural(of, "test row")} are here. ${data.rule}`;
  fillComparisons();
}

function fillComparisons() {
  const before = controls.comparison.value;
  const ids = [...new Set(browsing.task.cells.map((cell) => cell.comparison))];
  const allowed = ids.filter((id) => ["method", "supervisor", "student"].every((key) => allows(key, comparisonOf(id)[key])));
  const listed = allowed.length ? allowed : ids;
  controls.comparison.replaceChildren(...listed.map((id) => {
    const row = comparisonOf(id);
    return option(id, `${row.supervisor} → ${row.student}, ${row.method}`);
  }));
  if (listed.includes(before)) controls.comparison.value = before;
  seedsOf();
}

function seedsOf() {
  const before = chosen.seed === null ? controls.seed.value : String(chosen.seed);
  const seeds = browsing.task.cells.filter((cell) => cell.comparison === controls.comparison.value).map((cell) => String(cell.seed));
  controls.seed.replaceChildren(...seeds.map((seed) => option(seed, seed)));
  if (seeds.includes(before)) controls.seed.value = before;
  firstPage();
}

function firstPage() {
  browsing.page = 0;
  drawCards();
}

function exampleRows() {
  const { packed } = browsing;
  const cell = browsing.task.cells.find((each) => each.comparison === controls.comparison.value && String(each.seed) === controls.seed.value);
  const said = (column, i) => (column === null ? null : { option: packed.predicted[column][i], sure: packed.percent[column]?.[i] });
  return packed.ids.map((id, i) => {
    const truth = packed.truth[i];
    const answers = Object.fromEntries(["weak", "student", "ceiling", "zero_shot"].map((role) => [role, said(cell[role], i)]));
    const weakRight = answers.weak.option === truth, studentRight = answers.student.option === truth;
    return { id, text: packed.texts[i], completions: packed.completions[i] ?? [], truth, answers, weakRight, studentRight, follows: answers.weak.option === answers.student.option };
  });
}

function found(row, wanted) {
  const named = [row.truth, row.answers.weak.option, row.answers.student.option].map((each) => browsing.packed.options[each]);
  return [row.id, row.text, ...row.completions, ...named].join("\n").toLowerCase().includes(wanted);
}

function drawCards() {
  const all = exampleRows();
  const before = controls.situation.value;
  controls.situation.replaceChildren(...situations.map(([value, text, test]) => option(value, `${text} (${all.filter(test).length.toLocaleString("en")})`)));
  controls.situation.value = before;
  const test = situations.find(([value]) => value === before)[2];
  const wanted = controls.search.value.trim().toLowerCase();
  const rows = all.filter((row) => test(row) && (!wanted || found(row, wanted)));
  const pages = Math.max(1, Math.ceil(rows.length / PAGE));
  browsing.page = Math.min(browsing.page, pages - 1);
  controls.count.textContent = `${plural(rows.length, "row")} of ${all.length.toLocaleString("en")}`;
  controls.cards.replaceChildren(...rows.slice(browsing.page * PAGE, (browsing.page + 1) * PAGE).map(card));
  const turn = (by) => () => { browsing.page += by; drawCards(); controls.count.scrollIntoView({ block: "nearest" }); };
  controls.pager.replaceChildren(
    make("button", { type: "button", class: "plain", disabled: browsing.page === 0, onclick: turn(-1) }, "← Previous"),
    `Page ${browsing.page + 1} of ${pages}`,
    make("button", { type: "button", class: "plain", disabled: browsing.page >= pages - 1, onclick: turn(1) }, "Next →"));
}

function told_by(row) {
  if (row.follows) return `Student followed the supervisor and was ${row.studentRight ? "right" : "wrong"}.`;
  if (row.studentRight) return "Student overruled the supervisor and was right.";
  return row.weakRight ? "Student overruled the supervisor, which was right." : "Student and supervisor wrong in different ways.";
}

function card(row) {
  const { options } = browsing.packed;
  const comparison = comparisonOf(controls.comparison.value);
  const place = position(row.text);
  const roles = [["weak", `supervisor ${comparison.supervisor}`, "--weak"], ["student", `student ${comparison.student}`, "--student"], ["ceiling", "ceiling", null], ["zero_shot", "zero-shot", null]];
  const term = (text, swatch) => make("dt", swatch ? { class: "key", style: `--swatch: var(${swatch})` } : {}, text);
  const answers = make("dl", { class: "answers" }, term("truth", "--truth"), make("dd", {}, options[row.truth]),
    roles.filter(([role]) => row.answers[role]).flatMap(([role, text, swatch]) => {
      const { option: given, sure } = row.answers[role];
      const right = given === row.truth;
      return [term(text, swatch), make("dd", {}, make("span", { class: right ? "right" : "wrong", role: "img", "aria-label": right ? "right" : "wrong" }, right ? "✓" : "✗"), ` ${options[given]}`, sure === undefined || sure === null ? null : make("span", { class: "muted" }, `  ${sure}%`))];
    }));
  const heading = make("h4", {}, row.id);
  const kind = make("p", { class: `kind ${row.studentRight ? "right" : "wrong"}` }, told_by(row));
  if (row.completions.length) return preferenceCard(row, place, heading, answers, kind);
  if (!place) return make("article", { class: "card" }, heading, make("p", { class: "text", tabindex: 0 }, row.text), answers, kind);
  const arrows = place.move
    ? [[place.move, "var(--ink-arrow, #3b4650)", "move asked about"]]
    : [[options[row.truth], "var(--truth)", "truth"], [options[row.answers.weak.option], "var(--weak)", "supervisor"], [options[row.answers.student.option], "var(--student)", "student"]];
  const asked = place.move ? make("p", { class: "muted" }, `Is ${place.move} a blunder?`) : null;
  return make("article", { class: "card chess" }, board(place, arrows), make("div", {}, heading, asked, answers, kind));
}

// A prompt with its completions: which was preferred, and by whom each was chosen; chess moves on a board.
function preferenceCard(row, place, heading, answers, kind) {
  const { options } = browsing.packed;
  const optionOf = (i) => options.findIndex((name) => name === browsing.task.options[i]);
  const listed = row.completions.map((text, i) => {
    const best = optionOf(i) === row.truth;
    const by = [["weak", "supervisor"], ["student", "student"]].filter(([role]) => row.answers[role]?.option === optionOf(i)).map(([, who]) => who);
    return make("li", { class: best ? "preferred" : "" },
      make("p", { class: "tags" }, make("b", {}, browsing.task.options[i]), best ? make("span", { class: "right" }, " ✓ preferred") : null,
        by.length ? make("span", { class: "muted" }, ` · chosen by ${by.join(" and ")}`) : null),
      make("p", { class: "text", tabindex: 0 }, text.trim()));
  });
  const completions = make("ol", { class: "completions" }, listed);
  const both = place && moves(row.completions);
  if (!both) return make("article", { class: "card" }, heading, make("p", { class: "text", tabindex: 0 }, row.text.trim()), completions, answers, kind);
  const arrows = both.map((move, i) => (optionOf(i) === row.truth ? [move, "var(--truth)", "better move"] : [move, "var(--bad)", "worse move"]));
  return make("article", { class: "card chess" }, board(place, arrows, [7, 7, 7, 7]), make("div", {}, heading, completions, answers, kind));
}
