// The chart: a panel a scale, the same colours and markers as in print.

const MOST_POINTS = 6000;
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const plotText = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

function isDark() { return luminance(css("--paper")) < 0.2; }
function channels(colour) { return [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16)); }
// Relative luminance and contrast as WCAG 2 defines them.
function luminance(colour) {
  const [r, g, b] = channels(colour).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}
// On a dark page black is the page's ink, and a dark colour gets as much white as it needs to be seen and no more:
// with more, ESPCN's blue would be eSR-CNN's.
const LEAST_CONTRAST = 3;
function ink(colour) {
  if (!isDark()) return colour;
  if (luminance(colour) < 0.002) return css("--ink");
  const mixed = (share) => "#" + channels(colour).map((c) => Math.round(c + (255 - c) * share).toString(16).padStart(2, "0")).join("");
  let share = 0;
  while (contrast(mixed(share), css("--paper")) < LEAST_CONTRAST) share += 0.02;
  return mixed(share);
}

function hoverText(row) {
  const lines = figures(row).map(([label, value]) => `${plotText(label)}: ${plotText(value)}`);
  const where = row.point ? ` (${plotText(row.point.device)}, ${plotText(timing(row.point))})` : "";
  return `<b>${plotText(row.model.config)}</b>${where}<br>${lines.join("<br>")}`;
}

// What the chart shows, by scale: rows with x and y, and the frontier among them.
function panels() {
  const rows = candidates(), scales = [...state.scales].sort();
  return scales.map((scale) => {
    const mine = rows.filter((row) => row.model.scale === scale)
      .map((row) => ({ ...row, x: valueOf(row, state.x), y: valueOf(row, state.y) }))
      .filter((row) => known(row.x) && known(row.y) && !(axis(state.x).log && row.x <= 0) && !(axis(state.y).log && row.y <= 0));
    const members = frontier(mine, state.x, state.y);
    members.forEach((row) => { row.member = true; });
    return { scale, rows: mine, members, total: distinct(rows.filter((r) => r.model.scale === scale).map((r) => r.model.config)).length };
  });
}

function thinned(rows) {
  if (rows.length <= MOST_POINTS) return rows;
  const step = rows.length / MOST_POINTS;
  return rows.filter((row, i) => row.member || Math.floor(i / step) !== Math.floor((i - 1) / step));
}

// Whether an axis shows what was timed; only there a disturbed measurement matters.
function measured() { return [state.x, state.y].some((name) => name !== QUALITY && DATA.axes.find((a) => a.name === name).measured); }

function stairs(members) {
  const x = [], y = [];
  members.forEach((row, i) => {
    if (i) { x.push(row.x); y.push(members[i - 1].y); }
    x.push(row.x); y.push(row.y);
  });
  return { x, y };
}

// The legend's entry is a trace of its own: it must not fade with the points outside the budget.
function legendTrace(family) {
  const look = DATA.families[family];
  return { type: "scatter", mode: "markers", name: family, legendgroup: family, x: [null], y: [null], hoverinfo: "skip", marker: { color: ink(look.colour), symbol: look.symbol, size: 9 * Math.min(look.size, 1.35) } };
}

function familyTrace(family, panel, index) {
  const look = DATA.families[family];
  const rows = thinned(panel.rows).filter((row) => row.model.family === family && (!state.only || row.member));
  const limited = state.fps !== null || state.watts !== null;
  return {
    type: "scatter", mode: "markers", name: family, legendgroup: family, showlegend: false,
    x: rows.map((r) => r.x), y: rows.map((r) => r.y), text: rows.map(hoverText), hovertemplate: "%{text}<extra></extra>",
    customdata: rows, xaxis: `x${index || ""}`, yaxis: `y${index || ""}`,
    marker: {
      color: ink(look.colour), symbol: rows.map((r) => (r.point?.disturbed === true && measured() ? `${look.symbol}-open` : look.symbol)),
      size: rows.map((r) => (r.member ? 10 : 7) * Math.min(look.size, 1.35)),
      opacity: rows.map((r) => (limited && !fits(r) ? 0.1 : r.member ? 1 : isDark() ? 0.6 : 0.42)),
      line: { color: css("--paper"), width: rows.map((r) => (r.member ? 1 : 0)) },
    },
  };
}

// 1, 2 and 5 times powers of ten in plain numbers; powers of ten alone where that would be too many.
function ticks(values) {
  if (!values.length) return {};
  const low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b)), out = [];
  const steps = high / low > 300 ? [1] : [1, 2, 5];
  for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.log10(high) + 1; power++) for (const step of steps) out.push(step * 10 ** power);
  return { tickmode: "array", tickvals: out, ticktext: out.map((v) => (v >= 1e5 ? number(v).replace(/\.0+ /, " ") : String(Number(v.toPrecision(1))))) };
}

function axisLayout(name, place, panel, values, zoom) {
  const a = axis(name);
  return {
    ...place, type: a.log ? "log" : "linear", gridcolor: css("--grid"), linecolor: css("--line"), zeroline: false,
    tickfont: { size: 11 }, automargin: true, exponentformat: "SI", title: { text: panel, font: { size: 12 }, standoff: 6 },
    ...(a.log ? ticks(values) : {}), ...(zoom ? { range: [...zoom], autorange: false } : {}),
  };
}

function figure() {
  const shown = panels(), wide = document.getElementById("chart").clientWidth > 700;
  const traces = [], layout = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: css("--ink"), size: 12 },
    margin: { l: 56, r: 12, t: 28, b: 50 }, hovermode: "closest", dragmode: "zoom", shapes: [], annotations: [],
    legend: { orientation: "h", y: wide ? -0.16 : -0.08, x: 0, itemsizing: "constant" },
    hoverlabel: { bgcolor: css("--card"), bordercolor: css("--line"), font: { color: css("--ink"), size: 12 }, align: "left" },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: css("--dim"), activecolor: css("--ink") },
    height: wide ? 500 : Math.max(1, shown.length) * 320 + 90,
  };
  const legends = new Set(), count = Math.max(1, shown.length), gap = wide ? 0.055 : 0.09;
  shown.forEach((panel, i) => {
    const index = i ? i + 1 : "", size = (1 - gap * (count - 1)) / count, start = i * (size + gap);
    const across = wide ? [start, start + size] : [0, 1], down = wide ? [0, 1] : [1 - start - size, 1 - start];
    layout[`xaxis${index}`] = axisLayout(state.x, { domain: across, anchor: `y${index}` }, axis(state.x).title, panel.rows.map((r) => r.x), state.zoom[`xaxis${index}`]);
    layout[`yaxis${index}`] = axisLayout(state.y, { domain: down, anchor: `x${index}` }, i && wide ? "" : axis(state.y).title, panel.rows.map((r) => r.y), state.zoom[`yaxis${index}`]);
    layout.annotations.push({ text: `<b>x${panel.scale}</b>`, x: across[0], y: down[1], xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom", showarrow: false });
    for (const family of Object.keys(DATA.families)) {
      if (!panel.rows.some((row) => row.model.family === family)) continue;
      if (!legends.has(family)) traces.push(legendTrace(family));
      traces.push(familyTrace(family, panel, index));
      legends.add(family);
    }
    const line = stairs(panel.members);
    traces.push({ type: "scatter", mode: "lines", ...line, xaxis: `x${index}`, yaxis: `y${index}`, name: "frontier", legendgroup: "frontier", showlegend: i === 0, hoverinfo: "skip", line: { color: css("--ink"), width: 1.5 } });
    const reference = state.y === QUALITY ? panel.rows.filter((row) => row.model.family === "Bicubic").map((row) => row.y) : [];
    if (reference.length) {
      layout.shapes.push({ type: "line", xref: `x${index} domain`, yref: `y${index}`, x0: 0, x1: 1, y0: reference[0], y1: reference[0], line: { color: css("--dim"), width: 1.2, dash: "dash" } });
    }
    const chosen = panel.rows.filter((row) => row.model.at === state.selected);
    traces.push({ type: "scatter", mode: "markers", name: "chosen model", x: chosen.map((r) => r.x), y: chosen.map((r) => r.y), xaxis: `x${index}`, yaxis: `y${index}`, hoverinfo: "skip", showlegend: chosen.length > 0, marker: { symbol: "circle-open", size: 19, color: css("--ink"), line: { width: 2.2 } } });
  });
  return { traces, layout, shown };
}

// Output size, protocol, backend, precision, threads and seeds of what is shown.
function setup() {
  const ways = distinct(candidates().filter((row) => row.point).map(({ point }) =>
    [known(point.output) ? `${point.output} (${point.speed_protocol})` : point.speed_protocol, timing(point), known(point.threads) ? `${point.threads} thread${point.threads === 1 ? "" : "s"}` : null].filter(known).join(", ")));
  const source = DATA.sources[state.source];
  if (!source) return "";
  const shown = ways.length > 3 ? [...ways.slice(0, 3), `${ways.length - 3} more ways of measuring`] : ways;
  return `Measurements: ${[source.name, ...(measured() ? shown : []), source.repeats > 1 ? `mean of ${source.repeats} seeds` : "1 seed"].join("; ")}. `;
}

function describeChart(shown) {
  const told = shown.map((panel) => {
    const ends = panel.members.length ? `, from ${panel.members[0].model.config} to ${panel.members.at(-1).model.config}` : "";
    const points = distinct(panel.rows.map((row) => row.model.config)).length;
    const planned = DATA.sources[state.source]?.planned[panel.scale] ?? panel.total;
    const missing = Math.max(panel.total, planned) - points;
    const all = state.families.size === Object.keys(DATA.families).length;
    return `x${panel.scale}: ${points} models, ${panel.members.length} on the frontier${ends}${all && missing > 0 ? `; ${missing} without a result or a measurement` : ""}`;
  });
  const thin = shown.some((panel) => panel.rows.length > MOST_POINTS) ? ` Of more than ${MOST_POINTS} points a panel, a part is drawn (the whole frontier is).` : "";
  const rows = candidates().filter((row) => row.point), noisy = rows.filter((row) => row.point.disturbed === true).length;
  const busy = noisy && measured() ? ` ${noisy} of ${rows.length} speeds are disturbed (the machine was busy) and drawn hollow.` : "";
  return `${setup()}${told.join(" · ") || "Nothing to show."}.${thin}${busy} The dashed line is bicubic, the ring the chosen model.`;
}

function drawChart() {
  const node = document.getElementById("chart"), { traces, layout, shown } = figure();
  node.style.height = `${layout.height}px`;
  const where = state.device ? ` on ${state.device}` : "";
  document.getElementById("chart-title").textContent = `${axis(state.x).title} against ${axis(state.y).title}${where}`;
  document.getElementById("chart-text").textContent = describeChart(shown);
  // Plotly's upload button would send the data away; this page keeps it.
  const options = { responsive: true, displaylogo: false, showSendToCloud: false, modeBarButtonsToRemove: ["sendChartToCloud", "select2d", "lasso2d", "autoScale2d"] };
  const first = !node.data;
  return Plotly.react(node, traces, layout, options).then(() => {
    if (first) {
      node.on("plotly_click", (event) => { const row = event.points[0]?.customdata; if (row) select(row.model.at); });
      node.on("plotly_relayout", () => keepZoom(node.layout));
    }
  });
}
