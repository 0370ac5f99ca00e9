// Wires the page: controls to state, state to chart, tables and panels.

const $ = (id) => document.getElementById(id);
const reveal = (id) => $(id).scrollIntoView({ block: "nearest", behavior: "auto" });

function options(select, values, chosen) {
  select.replaceChildren(...values.map(([value, text]) => element("option", { value, text, selected: String(value) === String(chosen) })));
  select.disabled = values.length < 2;
}

function boxes(node, values, chosen, label) {
  node.replaceChildren(...values.map((value) => element("label", {}, element("input", {
    type: "checkbox", value, checked: chosen.has(value),
    onchange: (event) => { event.target.checked ? chosen.add(value) : chosen.delete(value); refresh(); },
  }), label(value))));
}

// Choices that the data still offers stay as they are; others fall back to the first.
function settle(fresh) {
  const sources = DATA.sources.map((s, i) => [i, s.name]);
  if (!DATA.sources[state.source]) state.source = 0;
  options($("source"), sources, state.source);
  const there = devices();
  if (!there.includes(state.device)) state.device = there[0] ?? null;
  options($("device"), there.map((d) => [d, d]), state.device);
  const kinds = backends();
  if (state.backend && !kinds.includes(state.backend)) state.backend = "";
  options($("backend"), [["", kinds.length > 1 ? "all" : kinds[0] || "none"], ...(kinds.length > 1 ? kinds.map((k) => [k, k]) : [])], state.backend);
  const named = metricsOf(state.source), kindsOf = distinct(named.map((m) => m.slice(0, m.indexOf(":"))));
  if (!kindsOf.includes(state.metric)) state.metric = kindsOf[0] ?? "psnr";
  const sets = named.filter((m) => m.startsWith(`${state.metric}:`)).map((m) => m.slice(m.indexOf(":") + 1));
  if (!sets.includes(state.dataset)) state.dataset = sets[0] ?? "";
  options($("metric"), kindsOf.map((k) => [k, (METRIC[k] || [k])[0]]), state.metric);
  options($("dataset"), sets.map((s) => [s, s]), state.dataset);
  // An axis that no model has a value of, here on this device, would give an empty chart.
  const here = POINTS.filter((p) => p.of.source === state.source && p.device === state.device && (!state.backend || timing(p) === state.backend));
  const costs = DATA.axes.filter((a) => MODELS.some((m) => m.source === state.source && known(m[a.column])) || here.some((p) => known(p[a.column])));
  const choices = [[QUALITY, "Quality (metric and test set)"], ...costs.map((a) => [a.name, a.title])];
  for (const name of ["x", "y"]) if (!choices.some(([value]) => value === state[name])) state[name] = name === "y" ? QUALITY : costs[0]?.name ?? QUALITY;
  if (fresh && !there.length && costs.some((a) => a.name === "parameters")) state.x = "parameters";
  options($("x"), choices, state.x);
  options($("y"), choices, state.y);
  const scales = distinct(MODELS.map((m) => m.scale)).sort(), families = Object.keys(DATA.families);
  if (fresh) { scales.forEach((s) => state.scales.add(s)); families.forEach((f) => state.families.add(f)); }
  else for (const f of families) if (!seen.has(f)) state.families.add(f);
  for (const s of scales) if (!seen.has(s)) state.scales.add(s);
  [...families, ...scales].forEach((value) => seen.add(value));
  boxes($("scales"), scales, state.scales, (s) => `x${s}`);
  boxes($("families"), families, state.families, (f) => f);
  $("ids").replaceChildren(...distinct(MODELS.map((m) => m.config)).map((id) => element("option", { value: id })));
}
const seen = new Set();

function ranges() {
  const rows = candidates().filter((r) => r.point), speeds = rows.map((r) => r.point.fps), power = rows.map((r) => r.point.power_w).filter(known);
  return { speed: speeds.length ? [Math.min(...speeds), Math.max(...speeds)] : null, power: power.length ? [Math.min(...power), Math.max(...power)] : null };
}

function budget() {
  const { speed, power } = ranges(), f = Number($("fps").value), w = Number($("watts").value);
  $("fps").disabled = !speed; $("watts").disabled = !power;
  state.fps = speed && f > 0 ? speed[0] * (speed[1] / speed[0]) ** (f / 100) : null;
  state.watts = power && w < 100 ? power[0] + (power[1] - power[0]) * (w / 100) : null;
  if (state.fps !== null) state.fps = Number(state.fps.toPrecision(3));
  if (state.watts !== null) state.watts = Number(state.watts.toPrecision(3));
  if (state.fps !== null && f === 100) state.fps = speed[1];
  if (state.watts !== null && w === 0) state.watts = power[0];
  $("fps-out").textContent = state.fps === null ? "any number of" : number(state.fps);
  $("watts-out").textContent = !power ? "(power is not known here)" : state.watts === null ? "any power" : `${number(state.watts)} W`;
  $("fps").setAttribute("aria-valuetext", state.fps === null ? "no limit" : `at least ${number(state.fps)} frames per second`);
  $("watts").setAttribute("aria-valuetext", state.watts === null ? "no limit" : `at most ${number(state.watts)} watts`);
}

function drawPick() {
  const rows = candidates(), column = qualityColumn(), limited = state.fps !== null || state.watts !== null;
  const cards = [...state.scales].sort().map((scale) => {
    const mine = rows.filter((row) => row.model.scale === scale && (row.point || !limited));
    const best = pick(mine), title = element("h3", { text: `x${scale}` });
    if (!best) return element("div", { class: "pick" }, title, element("p", { class: "sub", text: mine.length ? "No model fits: ask for less speed or allow more power." : "No model is measured here yet." }));
    const [, unit, , digits] = METRIC[state.metric] || ["", "", true, 4], p = best.point;
    const facts = [`${number(best.model[column], digits)} ${unit}`.trim() + ` on ${state.dataset}`, p ? `${number(p.fps)} frames/s${backends().length > 1 ? ` (${timing(p)})` : ""}` : "speed not measured", p && known(p.power_w) ? `${number(p.power_w)} W` : null, p?.disturbed === true ? "speed disturbed: measure it again" : null].filter(Boolean).join(" · ");
    const command = DATA.exports[best.model.at];
    const copy = element("button", { type: "button", text: "Copy", "aria-label": `Copy the export command of ${best.model.config}`, onclick: (event) => copyText(command, event.target) });
    return element("div", { class: "pick", "data-config": best.model.config }, title, element("b", { text: best.model.config }), element("div", { text: facts }),
      element("div", { class: "command" }, element("code", {}, ...unbroken(command)), copy,
        element("button", { type: "button", text: "Details", onclick: () => select(best.model.at) })));
  });
  const unknown = state.watts === null ? 0 : rows.filter((r) => r.point && !known(r.point.power_w)).length;
  $("pick").replaceChildren(...cards, ...(unknown ? [element("p", { class: "sub", text: `${unknown} models are left out: their power is not known.` })] : []));
}

function copyText(text, button) {
  const done = (word) => { button.textContent = word; setTimeout(() => { button.textContent = "Copy"; }, 1500); };
  if (navigator.clipboard) navigator.clipboard.writeText(text).then(() => done("Copied"), () => done("Select it"));
  else done("Select it");
}

function drawDetail() {
  const model = MODELS[state.selected];
  if (!model) {
    $("detail-title").textContent = "Model";
    $("detail-body").replaceChildren(element("p", { class: "sub", text: MODELS.length ? "No model is shown: choose a scale and a family above." : "No model is finished yet." }));
    return;
  }
  const points = POINTS.filter((p) => p.model === model.at), here = fastest(points.filter(shownHere)) ?? points[0] ?? null;
  const facts = figures({ model, point: here });
  const made = [["Source", DATA.sources[model.source].name], ["Protocol", DATA.sources[model.source].protocol], ["Device", here ? `${here.device}, ${timing(here)}, ${here.speed_protocol}` : null], ["Trial", model.trial], ["Seed", model.seed], ["Steps", model.steps], ["Training time", known(model.seconds) ? `${number(model.seconds)} s` : null], ["Trained on", model.node], ["Flags", model.flags && model.flags !== "[]" ? model.flags : null]].filter(([, value]) => known(value));
  const others = points.filter((p) => p !== here).map((p) => [`${p.device}, ${timing(p)}`, `${number(p.fps)} frames/s${known(p.power_w) ? `, ${number(p.power_w)} W` : ""}`]);
  const list = (pairs) => element("dl", {}, ...pairs.flatMap(([label, value]) => [element("dt", { text: label }), element("dd", { text: String(value) })]));
  $("detail-title").textContent = model.config;
  $("detail-body").replaceChildren(list([...facts, ...made]), ...(others.length ? [element("h3", { text: "Elsewhere" }), list(others)] : []), curveOf(model), crops(model));
  viewModel(model.config);
}

function crops(model) {
  const samples = DATA.samples, mine = samples.models?.[model.config], reference = samples.reference?.[model.scale];
  if (!mine || !reference) return element("p", { class: "sub", text: "No sample picture of this model: its weights are not in the store, or it is far from every frontier." });
  const picture = (source, name, psnr) => element("figure", {}, element("img", { src: source, alt: `${name}: crop of ${samples.image} at x${model.scale}` }), element("figcaption", { text: known(psnr) ? `${name} · ${psnr.toFixed(2)} dB` : name }));
  return element("div", { class: "crops" }, picture(reference.hr, "Original"), picture(reference.png, "Bicubic", reference.psnr), picture(mine.png, model.family, mine.psnr));
}

let picked = false;
function select(at) {
  state.selected = at; picked = true;
  remember();
  drawDetail(); drawModels(); drawChart();
}

function simpleTable(titles, rows, wrap = -1) {
  return element("div", { class: "scroll" }, element("table", {}, element("thead", {}, element("tr", {}, ...titles.map((t, i) => element("th", { scope: "col", class: rows.length && rows.every((row) => typeof row[i] === "number") ? "n" : "", text: t })))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((cell, i) => element("td", { class: i === wrap ? "wrap" : typeof cell === "number" ? "n" : "", text: typeof cell === "number" ? number(cell) : cell ?? "" })))))));
}

function duration(seconds) {
  if (!known(seconds)) return "unknown";
  if (seconds < 120) return `${number(seconds)} s`;
  return seconds < 7200 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function drawHealth() {
  const h = DATA.health, c = h.counts, share = (n) => `width:${(100 * n) / Math.max(1, c.planned)}%`;
  const bar = element("div", { class: "bar", role: "img", "aria-label": `${c.done} done, ${c.failed} failed, ${c.running} running, ${c.pending} pending of ${c.planned}` });
  for (const kind of ["done", "failed", "running"]) { const part = element("span", { class: kind }); part.style.cssText = share(kind === "done" && known(h.share) ? h.share * c.planned : c[kind]); bar.append(part); }
  const told = `${c.done} of ${c.planned} done, ${c.failed} failed, ${c.running} running, ${c.pending} pending. ` + (h.attempts ? `${h.attempts} attempts (${h.retried} repeats), ${duration(h.time.work)} of training in ${duration(h.time.wall)}.` : "No training took place in this store: the results were imported.");
  const parts = [bar, element("p", { text: `${told} ${costsInWords()}` })];
  if (h.steps) parts.splice(1, 0, element("p", { id: "steps", text: `${h.steps}.` }));
  if (h.workers?.length) parts.push(element("h3", { text: "At work" }), simpleTable(["Driver", "Node", "Device", "Worker", "Training"], h.workers));
  if (h.nodes.length) parts.push(element("h3", { text: "Machines" }), simpleTable(["Node", "Done", "Failed", "Training s"], h.nodes.map((n) => [n.node, n.done, n.failed, n.seconds])));
  if (h.failures.length) {
    parts.push(element("h3", { text: `Failures: ${Object.entries(h.by_class).map(([k, n]) => `${n} ${k}`).join(", ")}` }), simpleTable(["Model", "Class", "Why", "Node", "Attempt"], h.failures.map((f) => [f.config, f.class, f.error, f.node, f.attempt]), 2));
    if (h.failures_left_out) parts.push(element("p", { class: "sub", text: `${h.failures_left_out} more are in the store (sweep logs).` }));
  }
  $("health-body").replaceChildren(...parts);
  $("notes").replaceChildren(...DATA.notes.map((text) => element("p", { class: "note" }, ...unbroken(text))));
  $("quiet-label").hidden = !POINTS.some((p) => p.disturbed === true);
  $("summary").textContent = `${count(MODELS.map((m) => m.config), "model")}, ${count(POINTS.map((p) => p.device), "device")}; ${c.done} of ${c.planned} trials done${c.failed ? `, ${c.failed} failed` : ""}${h.steps ? `, ${h.steps}` : ""}.`;
}

function drawAbout() {
  const parts = [];
  for (const s of DATA.sweeps) {
    const facts = [["Space", s.space], ["Source", s.source], ["Revision", s.git], ["Begun", s.created]];
    parts.push(element("h3", { text: `Sweep ${s.name}` }), element("dl", {}, ...facts.flatMap(([k, v]) => [element("dt", { text: k }), element("dd", { text: v })])));
    for (const [name, value] of [["Recipe", s.recipe], ["Settings", s.settings]]) {
      if (value && Object.keys(value).length) parts.push(element("details", {}, element("summary", { text: name }), element("pre", { text: typeof value === "string" ? value : JSON.stringify(value, null, 2) })));
    }
  }
  const hardware = distinct(POINTS.map((p) => [p.device, p.backend, p.precision, p.speed_protocol].join("\u0000"))).sort().map((t) => t.split("\u0000"));
  const counted = hardware.map((row) => [...row, POINTS.filter((p) => [p.device, p.backend, p.precision, p.speed_protocol].join("\u0000") === row.join("\u0000")).length]);
  if (counted.length) parts.push(element("h3", { text: "Hardware that was timed" }), simpleTable(["Device", "Backend", "Precision", "Protocol", "Measurements"], counted));
  parts.push(element("h3", { text: "Quality protocols" }), simpleTable(["Source", "Protocol"], DATA.sources.map((s) => [s.name, s.protocol])));
  parts.push(element("h3", { text: "Versions that made this page" }), simpleTable(["Package", "Version"], Object.entries(DATA.versions)));
  $("about-body").replaceChildren(...parts);
}

function firstPick() {
  const rows = candidates();
  for (const scale of [...state.scales].sort()) {
    const best = pick(rows.filter((row) => row.model.scale === scale));
    if (best) return best.model.at;
  }
  // Nothing fits the budget, or has this quality.
  return rows[0]?.model.at ?? null;
}

// Until a person chooses a model, it is the pick of the first scale: what they came for.
function follow() { if (!picked || state.selected === null) state.selected = firstPick(); }

let waiting = null;
function refresh() {
  budget(); follow();
  remember(); drawPick(); drawModels(); drawBest(); drawDetail();
  if (waiting === null) waiting = requestAnimationFrame(() => { waiting = null; drawChart(); });
}

function changed() { settle(false); refresh(); }

// The width of A4 across less its margins, in pixels of paper: a chart as wide as the window would be cut there.
const PAPER = 1030;

function wire() {
  wireViewer();
  for (const id of ["device", "backend", "metric", "dataset", "x", "y"]) $(id).addEventListener("change", (e) => { state[id] = e.target.value; changed(); });
  $("source").addEventListener("change", (e) => { state.source = Number(e.target.value); state.selected = null; picked = false; changed(); });
  $("quiet").addEventListener("change", (e) => { state.quiet = e.target.checked; refresh(); });
  $("only").addEventListener("change", (e) => { state.only = e.target.checked; refresh(); });
  for (const id of ["fps", "watts"]) $(id).addEventListener("input", () => { budget(); follow(); remember(); drawPick(); drawDetail(); if (waiting === null) waiting = requestAnimationFrame(() => { waiting = null; drawChart(); }); });
  $("find").addEventListener("change", (e) => findModel(e.target.value.trim()));
  $("chart").addEventListener("keydown", (e) => { if (!e.ctrlKey && !e.metaKey && !e.altKey && walk(e.key)) e.preventDefault(); });
  $("filter").addEventListener("input", (e) => { table.filter = e.target.value; table.page = 0; remember(); drawModels(); });
  $("prev").addEventListener("click", () => { table.page -= 1; drawModels(); });
  $("next").addEventListener("click", () => { table.page += 1; drawModels(); });
  $("controls").addEventListener("submit", (e) => e.preventDefault());
  $("download-csv").addEventListener("click", () => { const rows = tableRows(), list = used(columns(), rows); download("models.csv", toCsv(sorted(rows, list), list), "text/csv"); });
  $("download-json").addEventListener("click", () => { const rows = tableRows(), list = used(columns(), rows); download("models.json", toJson(sorted(rows, list), list), "application/json"); });
  $("download-best").addEventListener("click", () => { const rows = bestRows(); download("best.csv", toCsv(rows, bestColumns(rows)), "text/csv"); });
  $("download-chart").addEventListener("click", () => Plotly.downloadImage($("chart"), { format: "svg", filename: "frontier", width: 1200, height: 520 }));
  $("theme").addEventListener("click", () => { document.documentElement.dataset.theme = isDark() ? "light" : "dark"; themed(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themed);
  let before = null;
  addEventListener("beforeprint", () => { before = document.documentElement.dataset.theme ?? null; document.documentElement.dataset.theme = "light"; drawChart(); Plotly.relayout($("chart"), { width: PAPER }); });
  addEventListener("afterprint", () => { if (before === null) delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = before; drawChart(); Plotly.Plots.resize($("chart")); });
}

function labelTheme() {
  $("theme").setAttribute("aria-pressed", String(isDark()));
  $("theme").textContent = isDark() ? "Light mode" : "Dark mode";
}

function themed() { labelTheme(); drawChart(); }

function show(data, fresh) {
  const chosen = fresh || state.selected === null ? null : MODELS[state.selected];
  load(data);
  if (chosen) { const again = MODELS.find((m) => m.config === chosen.config && DATA.sources[m.source].name === DATA.sources[chosen.source]?.name); state.selected = again ? again.at : null; }
  loadViewer();
  settle(fresh); if (fresh) recall(); drawHealth(); drawAbout(); refresh();
  $("made").textContent = data.made;
}

// The dashboard says when the store has changed; the page then asks for the data and redraws where it stands.
function listen() {
  const events = new EventSource("events");
  let mark = null;
  events.addEventListener("change", (event) => event.data !== mark && fetch("data.json").then((answer) => answer.json()).then((data) => {
    mark = event.data;
    show(data, MODELS.length === 0);
    $("live").textContent = `Live, updated ${new Date().toLocaleTimeString()}.`;
  }));
  events.onopen = () => { $("live").textContent = "Live."; };
  events.onerror = () => { $("live").textContent = "Not connected; trying again."; };
}

wire();
show(JSON.parse($("data").textContent), true);
labelTheme();
if (LIVE) listen();
