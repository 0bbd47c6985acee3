// Copying the spec, and the long list of steps, unpacked when it is opened.

const SHORT = 300;

function startProvenance() {
  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      const text = byId(button.dataset.copies);
      try {
        await navigator.clipboard.writeText(text.textContent);
      } catch {
        getSelection().selectAllChildren(text); // a page opened from disk may not write to the clipboard
      }
      button.textContent = "Copied";
    });
  }
  byId("steps").addEventListener("toggle", async () => {
    if (byId("step-table").childElementCount) return;
    const steps = await unpack("steps");
    drawSteps(steps, steps.length <= SHORT * 2 ? steps.length : SHORT);
  });
}

function drawSteps(steps, count) {
  const heads = ["step", "kind", "key", "seconds", "peak MB", "started"];
  const numeric = (i) => (i === 3 || i === 4 ? "number" : i === 2 ? "mono" : "");
  const rows = steps.slice(0, count).map((step) => make("tr", {}, step.map((value, i) => {
    const text = i === 5 ? new Date(1000 * value).toISOString().slice(0, 19).replace("T", " ") : value === null ? "–" : String(value);
    return i === 0 ? make("th", { scope: "row" }, text) : make("td", { class: numeric(i) }, text);
  })));
  const all = make("button", { type: "button", class: "plain", onclick: () => drawSteps(steps, steps.length) }, `Show all ${steps.length.toLocaleString("en")}`);
  const table = make("table", {}, make("thead", {}, make("tr", {}, heads.map((name, i) => make("th", { scope: "col", class: numeric(i) === "number" ? "number" : "" }, name)))), make("tbody", {}, rows));
  byId("step-table").replaceChildren(table, count < steps.length ? all : "");
}
