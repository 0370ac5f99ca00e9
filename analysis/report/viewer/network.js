// A network as workers/export/glsl/webgl.py writes it, run on a luma plane tile by tile by one of two engines.

const TILE = 192;

// The network of an id with its weights as numbers; null where the page has none. Kept after the first call.
const networkOf = (() => {
  const kept = new Map();
  return (config) => {
    const stored = DATA.networks.models?.[config];
    if (!stored) return null;
    if (!kept.has(config)) {
      const bytes = Uint8Array.from(atob(stored.weights), (c) => c.charCodeAt(0));
      kept.set(config, { ...stored, weights: new Float32Array(bytes.buffer) });
    }
    return kept.get(config);
  };
})();

// A plane is { width, height, values }, row by row.
function emptyPlane(width, height) { return { width, height, values: new Float32Array(width * height) }; }

function cutPlane(plane, left, top, width, height) {
  const out = emptyPlane(width, height);
  for (let y = 0; y < height; y++) {
    const start = (top + y) * plane.width + left;
    out.values.set(plane.values.subarray(start, start + width), y * width);
  }
  return out;
}

function pastePlane(onto, plane, left, top, from) {
  for (let y = 0; y < from.height; y++) {
    const start = (from.top + y) * plane.width + from.left;
    onto.values.set(plane.values.subarray(start, start + from.width), (top + y) * onto.width + left);
  }
}

// Luma in 0..1 enlarged by the network, not clamped. Tiles overlap by what an output pixel depends on, so they join
// without seams. `told(share)` is called after each tile; when it returns false the work ends and null comes back.
async function enlarge(network, engine, luma, told = () => true) {
  const { scale, reach } = network, out = emptyPlane(luma.width * scale, luma.height * scale);
  const across = Math.ceil(luma.width / TILE), count = across * Math.ceil(luma.height / TILE);
  for (let number = 0; number < count; number++) {
    const x = (number % across) * TILE, y = Math.floor(number / across) * TILE;
    const width = Math.min(TILE, luma.width - x), height = Math.min(TILE, luma.height - y);
    const left = Math.max(0, x - reach), top = Math.max(0, y - reach);
    const right = Math.min(luma.width, x + width + reach), bottom = Math.min(luma.height, y + height + reach);
    const made = await engine.run(network, cutPlane(luma, left, top, right - left, bottom - top));
    const inner = { left: (x - left) * scale, top: (y - top) * scale, width: width * scale, height: height * scale };
    pastePlane(out, made, x * scale, y * scale, inner);
    if (!told((number + 1) / count)) return null;
  }
  return out;
}

// The last pass makes vectors of sub-pixels, as images side by side: each goes to its place.
function interleaved(network, vectors, width, height, place) {
  const { scale, wide } = network, out = emptyPlane(width * scale, height * scale);
  for (let sub = 0; sub < scale * scale; sub++) {
    const number = Math.floor(sub / wide), part = sub % wide, row = Math.floor(sub / scale), column = sub % scale;
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        out.values[(y * scale + row) * out.width + x * scale + column] = vectors[place(number, x, y) + part];
      }
    }
  }
  return out;
}
