// The loss curve of a model and what the sweep cost.
const CURVE = { width: 320, height: 90, left: 52, bottom: 18 };

function svg(name, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function curveOf(model) {
  const points = DATA.training.curves[model.trial];
  if (!points || points.length < 2) return element("span", {});
  const { width, height, left, bottom } = CURVE, losses = points.map((p) => p[1]);
  const low = Math.min(...losses), high = Math.max(...losses), first = points[0][0], last = points.at(-1)[0];
  const x = (step) => left + ((step - first) / (last - first || 1)) * (width - left - 4);
  const y = (loss) => 6 + (1 - (loss - low) / (high - low || 1)) * (height - bottom - 10);
  const label = (text, at, down, anchor) => svg("text", { x: at, y: down, "text-anchor": anchor, "font-size": 11, fill: "currentColor" }, text);
  const line = svg("polyline", { points: points.map((p) => `${x(p[0]).toFixed(1)},${y(p[1]).toFixed(1)}`).join(" "), fill: "none", stroke: "currentColor", "stroke-width": 1.5 });
  const told = `Training loss from ${high.toPrecision(3)} to ${losses.at(-1).toPrecision(3)} over ${number(last)} steps`;
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": told, style: "width:100%;max-width:26rem" },
    line, label(high.toPrecision(3), left - 6, 12, "end"), label(low.toPrecision(3), left - 6, height - bottom - 2, "end"),
    label(number(first), left, height - 4, "start"), label(`step ${number(last)}`, width - 4, height - 4, "end"));
  return element("figure", { class: "curve" }, drawing, element("figcaption", { text: "Training loss" }));
}

function costsInWords() {
  const c = DATA.training.costs, hours = (h, what) => `${h < 0.1 ? h.toPrecision(2) : h.toFixed(1)} ${what}-hours`;
  if (!c.attempts) return "";
  const parts = [hours(c.core_hours, "core"), ...(c.gpu_hours ? [hours(c.gpu_hours, "GPU")] : []), ...(known(c.energy_kwh) ? [`${c.energy_kwh.toPrecision(3)} kWh`] : [])];
  return `${parts.join(", ")} in ${c.attempts} attempts` + (c.not_counted ? `, without ${c.not_counted} that were stopped.` : ".");
}
