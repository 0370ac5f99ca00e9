// The view in the address, finding a model by name, and walking along the frontier.

// A name that is not here is answered; a model that is found is shown, whatever the filters hide.
function findModel(name) {
  $("find-answer").textContent = "";
  if (!name) return;
  const found = MODELS.find((m) => m.config === name && m.source === state.source);
  if (!found) {
    const near = MODELS.filter((m) => m.source === state.source && m.config.toLowerCase().includes(name.toLowerCase())).slice(0, 3).map((m) => m.config);
    const elsewhere = MODELS.find((m) => m.config === name);
    $("find-answer").textContent = elsewhere ? `${name} is only among the ${DATA.sources[elsewhere.source].name} results.` : `There is no model ${name} here${near.length ? `; there is ${near.join(", ")}` : ""}.`;
    return;
  }
  state.scales.add(found.scale); state.families.add(found.family);
  settle(false); select(found.at); reveal("detail");
}

// What is shown is in the address, so that a link shows it to somebody else.
const VIEW = ["device", "backend", "metric", "dataset", "x", "y"];
function remember() {
  const view = new URLSearchParams(), zoom = Object.entries(zoomed());
  if (state.source) view.set("source", DATA.sources[state.source]?.name ?? "");
  for (const name of VIEW) if (state[name]) view.set(name, state[name]);
  for (const name of ["scales", "families"]) if (state[name].size < (name === "scales" ? distinct(MODELS.map((m) => m.scale)).length : Object.keys(DATA.families).length)) view.set(name, [...state[name]].join(","));
  for (const name of ["only", "quiet"]) if (state[name]) view.set(name, "1");
  for (const name of ["fps", "watts"]) if ($(name).value !== $(name).defaultValue) view.set(name, $(name).value);
  if (picked) view.set("model", MODELS[state.selected]?.config ?? "");
  if (table.sort) view.set("sort", `${table.descending ? "-" : ""}${table.sort}`);
  if (table.filter) view.set("filter", table.filter);
  if (zoom.length) view.set("zoom", zoom.map(([name, ends]) => `${name}:${ends.map((end) => Number(end.toPrecision(5))).join(":")}`).join(","));
  const text = view.toString();
  if (location.hash.slice(1) !== text) history.replaceState(null, "", `#${text}`);
}
function recall() {
  const view = new URLSearchParams(location.hash.slice(1));
  if (![...VIEW, "source", "scales", "families", "only", "quiet", "fps", "watts", "model", "sort", "filter", "zoom"].some((name) => view.has(name))) return;
  const source = DATA.sources.findIndex((s) => s.name === view.get("source"));
  if (source >= 0) state.source = source;
  for (const name of VIEW) if (view.has(name)) state[name] = view.get(name);
  if (view.has("scales")) state.scales = new Set(view.get("scales").split(",").filter(Boolean).map(Number).filter((s) => MODELS.some((m) => m.scale === s)));
  if (view.has("families")) state.families = new Set(view.get("families").split(",").filter((f) => f in DATA.families));
  for (const name of ["only", "quiet"]) { state[name] = view.get(name) === "1"; $(name).checked = state[name]; }
  for (const name of ["fps", "watts"]) if (view.has(name)) $(name).value = view.get(name);
  const model = MODELS.find((m) => m.config === view.get("model") && m.source === state.source);
  if (model) { state.selected = model.at; picked = true; }
  const sort = view.get("sort") ?? "";
  if (columns().some((c) => c.name === sort.replace(/^-/, ""))) { table.sort = sort.replace(/^-/, ""); table.descending = sort.startsWith("-"); }
  table.filter = $("filter").value = view.get("filter") ?? "";
  settle(false);
  for (const part of (view.get("zoom") ?? "").split(",")) {
    const [name, ...ends] = part.split(":");
    if (/^[xy]axis\d*$/.test(name) && ends.length === 2 && ends.every((end) => end !== "" && Number.isFinite(Number(end)))) state.zoom[name] = ends.map(Number);
  }
}

// A zoom belongs to what is drawn: with other axes, panels or another device it is forgotten.
function zoomed() {
  const of = [state.source, ...VIEW.map((name) => state[name]), ...[...state.scales].sort()].join("\u0000");
  if (state.zoomOf !== null && state.zoomOf !== of) state.zoom = {};
  state.zoomOf = of;
  return state.zoom;
}

function keepZoom(layout) {
  for (const name of Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))) {
    if (layout[name].autorange === false && layout[name].range) state.zoom[name] = layout[name].range.map(Number);
    else delete state.zoom[name];
  }
  remember();
}

// The frontier by keyboard: arrows go from model to model as they stand in the chart, panel after panel.
function walk(key) {
  const seenHere = new Set(), order = [];
  for (const panel of panels()) {
    const members = [...panel.members].sort((a, b) => a.x - b.x);
    for (const row of members) if (!seenHere.has(row.model.at)) { seenHere.add(row.model.at); order.push(row); }
  }
  const last = order.length - 1, here = order.findIndex((row) => row.model.at === state.selected);
  const places = { ArrowRight: here + 1, ArrowLeft: here < 0 ? last : here - 1, Home: 0, End: last };
  if (last < 0 || !(key in places)) return false;
  const place = Math.min(last, Math.max(0, places[key])), { model, x, y } = order[place];
  select(model.at);
  $("walk").textContent = `${model.config}: ${axis(state.x).title} ${number(x)}, ${axis(state.y).title} ${number(y, axis(state.y).digits)}; ${place + 1} of ${last + 1} on the frontier.`;
  return true;
}
