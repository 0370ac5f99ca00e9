// What is shown: the data, the choices, and pure functions over them. Nothing here touches the page.

let DATA = null, MODELS = [], POINTS = [], METRICS_OF = [], METRIC = {};
const QUALITY = "quality";
const state = {
  source: 0, device: null, backend: "", metric: null, dataset: null, x: "fps", y: QUALITY,
  scales: new Set(), families: new Set(), only: false, quiet: false, fps: null, watts: null, selected: null,
  zoom: {}, zoomOf: null,
};

function rowsOf(columns) {
  const names = Object.keys(columns), count = names.length ? columns[names[0]].length : 0;
  const out = new Array(count);
  for (let i = 0; i < count; i++) {
    const row = { at: i };
    for (const name of names) row[name] = columns[name][i];
    out[i] = row;
  }
  return out;
}

function load(data) {
  DATA = data;
  METRIC = Object.fromEntries(data.kinds.map((k) => [k.name, [k.label, k.unit, k.more_is_better, k.decimals]]));
  MODELS = rowsOf(data.models);
  POINTS = rowsOf(data.points);
  for (const point of POINTS) point.of = MODELS[point.model];
  METRICS_OF = data.sources.map((_, i) => data.metrics.filter((m) => MODELS.some((row) => row.source === i && known(row[m]))));
}

const distinct = (values) => [...new Set(values)];
const count = (values, noun) => { const n = distinct(values).length; return `${n} ${noun}${n === 1 ? "" : "s"}`; };
const known = (value) => value !== null && value !== undefined;
const qualityColumn = () => `${state.metric}:${state.dataset}`;
const timing = (point) => `${point.backend} ${point.precision}`;
const shownHere = (point) => point.device === state.device && (!state.backend || timing(point) === state.backend);
const fastest = (list, pointOf = (p) => p) => list.reduce((best, one) => (!best || pointOf(one).fps > pointOf(best).fps ? one : best), null);

function devices() { return distinct(POINTS.filter((p) => p.of.source === state.source).map((p) => p.device)).sort(); }
function backends() {
  return distinct(POINTS.filter((p) => p.of.source === state.source && p.device === state.device).map(timing)).sort();
}
function metricsOf(source) { return METRICS_OF[source] ?? []; }

function axis(name) {
  if (name === QUALITY) {
    const [label, unit, more, digits] = METRIC[state.metric] || [state.metric, "", true, 4];
    return { name, title: `${label} on ${state.dataset}${unit ? ` (${unit})` : ""}`, more, log: false, digits, unit };
  }
  const found = DATA.axes.find((a) => a.name === name);
  return { name, title: found.title, more: found.more_is_better, log: found.log, column: found.column, unit: found.unit };
}

function valueOf(row, name) {
  if (name === QUALITY) return row.model[qualityColumn()] ?? null;
  const column = axis(name).column;
  return (column in row.model ? row.model[column] : row.point ? row.point[column] : null) ?? null;
}

// One row a model and timing of the chosen device; a model without a speed has no point.
function candidates() {
  const rows = [], timed = new Set();
  for (const point of POINTS) {
    const model = point.of;
    if (model.source !== state.source || !shownHere(point)) continue;
    if (state.quiet && point.disturbed === true) continue;
    timed.add(model.at);
    rows.push({ model, point });
  }
  for (const model of MODELS) if (model.source === state.source && !timed.has(model.at)) rows.push({ model, point: null });
  return rows.filter((row) => state.scales.has(row.model.scale) && state.families.has(row.model.family));
}

function frontier(rows, x, y) {
  const kept = rows.filter((row) => known(row.x) && known(row.y));
  const sx = axis(x).more ? 1 : -1, sy = axis(y).more ? 1 : -1;
  kept.sort((a, b) => sx * (b.x - a.x) || sy * (b.y - a.y));
  const out = [];
  let best = -Infinity, last = null;
  for (const row of kept) {
    if (sy * row.y > best) { best = sy * row.y; last = row; out.push(row); }
    else if (last && row.x === last.x && row.y === last.y) out.push(row);
  }
  return out;
}

function fits(row) {
  if (state.fps !== null && !(row.point && row.point.fps >= state.fps)) return false;
  if (state.watts !== null && !(row.point && known(row.point.power_w) && row.point.power_w <= state.watts)) return false;
  return true;
}

// The best quality; the faster of two equals.
function bestOf(rows) {
  const sign = axis(QUALITY).more ? 1 : -1, column = qualityColumn();
  let best = null;
  for (const row of rows) {
    const value = row.model[column];
    if (!known(value)) continue;
    const gain = best ? sign * (value - best.model[column]) : 1;
    if (gain > 0 || (gain === 0 && (row.point?.fps ?? 0) > (best.point?.fps ?? 0))) best = row;
  }
  return best;
}

const pick = (rows) => bestOf(rows.filter(fits));

// The point of a frontier furthest above the chord between its ends (speed in logarithms).
function knee(rows) {
  const f = frontier(rows.map((r) => ({ ...r, row: r, x: r.point.fps, y: valueOf(r, QUALITY) })), "fps", QUALITY);
  if (f.length < 3) return null;
  const sign = axis(QUALITY).more ? 1 : -1;
  const u = f.map((r) => Math.log(r.x)), v = f.map((r) => sign * r.y);
  const du = u[0] - u[u.length - 1] || 1, dv = v[v.length - 1] - v[0] || 1;
  let best = null, most = 1e-12;
  f.forEach((r, i) => {
    const above = (v[i] - v[0]) / dv + (u[i] - u[u.length - 1]) / du - 1;
    if (above > most) { most = above; best = r.row; }
  });
  return best;
}

function number(value, digits) {
  if (!known(value)) return "";
  if (digits !== undefined && digits !== null) return value.toFixed(digits);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e7) return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
  if (size >= 1e9) return `${(value / 1e9).toPrecision(3)} G`;
  if (size >= 1e6) return `${(value / 1e6).toPrecision(3)} M`;
  return size >= 1000 ? value.toFixed(0) : value.toPrecision(3);
}

function figures(row) {
  const m = row.model, p = row.point, out = [];
  const add = (label, value, unit, digits) => { if (known(value)) out.push([label, number(value, digits) + (unit ? ` ${unit}` : "")]); };
  add("Speed", p?.fps, "frames/s");
  if (p?.disturbed === true) out.push(["Disturbed", "yes: the machine was busy, so speed and power say little"]);
  add("Power", p?.power_w, "W"); add("Energy per frame", p?.energy_j, "J"); add("Memory", p?.memory_mib, "MiB");
  add("Temperature", p?.temperature_c, "°C"); add("CPU use", p?.cpu_percent, "%");
  add("Median time", known(p?.seconds_median) ? p.seconds_median * 1000 : null, "ms");
  if (p && (known(p.output) || known(p.threads))) out.push(["Measured with", [p.output, p.speed_protocol, known(p.threads) ? `${p.threads} threads` : null].filter(known).join(", ")]);
  add("Time IQR", known(p?.seconds_iqr) ? p.seconds_iqr * 1000 : null, "ms"); add("Runs", p?.runs);
  add("Parameters", m.parameters); add("MACs per Full-HD frame", m.macs_full_hd);
  for (const name of metricsOf(m.source)) {
    const [kind, set] = [name.slice(0, name.indexOf(":")), name.slice(name.indexOf(":") + 1)];
    const [label, unit, , digits] = METRIC[kind] || [kind, "", true, 4];
    add(`${label} ${set}`, m[name], unit, digits);
  }
  return out;
}
