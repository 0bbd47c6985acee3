// Figures of several panels: those that pass the filters, side by side, as many in a line as there is room for.

const PANEL_TITLE = 26, PANEL_INSIDE = 180, LEAST_WIDTH = 270; // in pixels

const panelAllowed = (panel) => ["task", "supervisor", "student"].every((key) => allows(key, panel[key]));

// Returns the panels that have something to show, and the traces in them, renumbered.
function shownPanels(figure, traces) {
  const kept = figure.panels.map((_, i) => i).filter((i) => panelAllowed(figure.panels[i]) && traces.some((trace) => trace.meta.panel === i && trace.customdata));
  const moved = traces.filter((trace) => trace.meta.key || kept.includes(trace.meta.panel)).map((trace) => {
    const name = trace.meta.key || kept.indexOf(trace.meta.panel) === 0 ? "" : kept.indexOf(trace.meta.panel) + 1;
    return { ...trace, xaxis: `x${name}`, yaxis: `y${name}` };
  });
  return [kept.map((i) => figure.panels[i]), moved];
}

// Puts axes and titles for these panels into a layout.
function arrange(layout, panels, width) {
  const columns = Math.min(panels.length, Math.max(1, Math.min(4, Math.floor(width / LEAST_WIDTH))));
  const room = Math.max(...panels.map((panel) => panel.below));
  const lines = Math.ceil(panels.length / columns), height = lines * (PANEL_TITLE + PANEL_INSIDE + room);
  const template = layout.yaxis, gap = 22 / width;
  layout.margin.b = 4;
  layout.height = height + layout.margin.t + layout.margin.b;
  layout.annotations = [];
  panels.forEach((panel, i) => {
    const column = i % columns, line = Math.floor(i / columns), name = i ? i + 1 : "";
    const left = column / columns + (column ? gap / 2 : 0), right = (column + 1) / columns - gap / 2;
    const top = 1 - line / lines - PANEL_TITLE / height, bottom = 1 - (line + 1) / lines + room / height;
    layout[`xaxis${name}`] = { ...panel.xaxis, domain: [left, right], anchor: `y${name}` };
    layout[`yaxis${name}`] = { ...template, domain: [bottom, top], anchor: `x${name}`, ...(column ? { title: null, showticklabels: false } : {}) };
    layout.annotations.push({ text: `<b>${escaped(panel.title)}</b>`, x: left, y: top, xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom", showarrow: false, font: { size: 13 } });
  });
}

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
