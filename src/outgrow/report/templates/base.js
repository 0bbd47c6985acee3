// What all parts of the page use: the data, elements made from text only, formats, unpacking, the theme.

const data = JSON.parse(document.getElementById("document").textContent);
const byId = (id) => document.getElementById(id);

// Makes an element. Text goes in as text nodes: nothing of the data is ever read as markup.
function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "rect", "line", "circle", "text", "polygon", "g", "title"].includes(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

// One decimal, rounded as Python does it: an exact half goes to the even neighbour.
function tenths(value) {
  const low = Math.floor(10 * value);
  return Math.abs(4 * value) % 2 === 1 ? (low % 2 === 0 ? low : low + 1) / 10 : Number(value.toFixed(1));
}

function percent(share) {
  if (share === null || share === undefined) return "none";
  const value = tenths(100 * share) + 0;
  return Math.abs(value) < 1000 ? value.toFixed(1) : Math.round(value).toLocaleString("en");
}
const signed = (share) => (percent(share).startsWith("-") ? percent(share) : "+" + percent(share));
const span = (low, high) => `[${percent(low)}, ${percent(high)}]`;
const plural = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

function duration(seconds) {
  if (seconds < 60) return seconds < 10 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

async function unpackText(name) {
  if (typeof DecompressionStream === "undefined") throw new Error("this browser cannot unpack gzip: use one of 2023 or later");
  const coded = atob(byId(`blob-${name}`).textContent);
  const bytes = new Uint8Array(coded.length);
  for (let i = 0; i < coded.length; i++) bytes[i] = coded.charCodeAt(i);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

const unpacked = {};
function unpack(name) {
  unpacked[name] ??= unpackText(name).then((text) => JSON.parse(text));
  return unpacked[name];
}

let plotly = null;
function loadPlotly() {
  plotly ??= unpackText("plotly").then((text) => {
    document.head.append(make("script", {}, text));
    return window.Plotly;
  });
  return plotly;
}

const themeListeners = [];
const themes = ["auto", "light", "dark"];
function setTheme(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  byId("theme").textContent = `Theme: ${name}`;
  try { localStorage.setItem("outgrow-theme", name); } catch { /* a file opened from disk may have no storage */ }
  themeListeners.forEach((listener) => listener());
}
function startTheme() {
  let now = "auto";
  try { now = localStorage.getItem("outgrow-theme") ?? "auto"; } catch { /* see above */ }
  if (!themes.includes(now)) now = "auto";
  setTheme(now);
  byId("theme").addEventListener("click", () => {
    now = themes[(themes.indexOf(now) + 1) % themes.length];
    setTheme(now);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => themeListeners.forEach((listener) => listener()));
}
