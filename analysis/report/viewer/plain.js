// The engine without a GPU: the same sums, from the description beside each shader, in the same order of weights.

const plainEngine = (() => {
  const activations = {
    "": (v) => v, relu: (v) => Math.max(v, 0), tanh: Math.tanh, sigmoid: (v) => 1 / (1 + Math.exp(-v)),
    prelu: (v, slope) => (v > 0 ? v : slope * v),
  };
  // The largest logit is taken off: exponentials of trained keys can overflow.
  const logits = { tm: (m, c) => m[4 + c], tr: (m, c) => m[4 + c] * m[8 + c], cnn: (m, c) => m[4 + c] * m[4 + c] };

  // Adds a convolution at (x, y) to `maps` vectors in `sums`; returns where the weights after it begin.
  function convolve(pass, maps, weights, start, source, width, height, x, y, sums) {
    const reach = pass.kernel >> 1, planes = Math.max(1, pass.inputs), size = pass.inputs ? 4 : 1;
    let at = start;
    for (let dy = -reach; dy <= reach; dy++) {
      for (let dx = -reach; dx <= reach; dx++) {
        const u = x + dx, v = y + dy;
        if (u < 0 || v < 0 || u >= width || v >= height) { at += planes * maps * size * 4; continue; }
        for (let g = 0; g < planes; g++) {
          const from = (g * height * width + v * width + u) * size;
          for (let m = 0; m < 4 * maps; m += 4) {
            for (let j = 0; j < size; j++, at += 4) {
              const value = source[from + j];
              for (let c = 0; c < 4; c++) sums[m + c] += value * weights[at + c];
            }
          }
        }
      }
    }
    return at;
  }

  function headAt(pass, weights, start, source, width, height, x, y, sums, out) {
    const most = [-1e30, -1e30, -1e30, -1e30], top = pass.kind === "max" ? [...most] : [0, 0, 0, 0], total = [0, 0, 0, 0];
    let at = start;
    for (let template = 0; template < pass.templates; template++) {
      for (let m = 0; m < 4 * pass.maps; m++) sums[m] = weights[at++];
      at = convolve(pass, pass.maps, weights, at, source, width, height, x, y, sums);
      for (let c = 0; c < 4; c++) {
        if (pass.kind === "first") top[c] = sums[c];
        else if (pass.kind === "max") top[c] = Math.max(top[c], sums[c]);
        else if (pass.kind === "sigmoid") top[c] = sums[c] + sums[4 + c] * activations.sigmoid(sums[8 + c]);
        else {
          const next = logits[pass.kind](sums, c), peak = Math.max(most[c], next), gain = Math.exp(next - peak), kept = Math.exp(most[c] - peak);
          top[c] = top[c] * kept + sums[c] * gain;
          total[c] = total[c] * kept + gain;
          most[c] = peak;
        }
      }
    }
    for (let c = 0; c < 4; c++) out[c] = pass.kind in logits ? top[c] / total[c] : top[c];
    return at;
  }

  function vectorAt(pass, weights, start, source, luma, width, height, x, y, sums, out) {
    let at = start, slope = 0;
    if (pass.kind) {
      at = headAt(pass, weights, at, source, width, height, x, y, sums, out);
      if (pass.beside) at = convolve({ kernel: pass.beside, inputs: 0 }, 1, weights, at, luma, width, height, x, y, out);
      slope = at;
    } else {
      for (let c = 0; c < 4; c++) out[c] = weights[at + c];
      slope = at + 4;
      convolve(pass, 1, weights, pass.activation === "prelu" ? at + 8 : at + 4, source, width, height, x, y, out);
    }
    const act = activations[pass.activation];
    for (let c = 0; c < 4; c++) out[c] = act(out[c], weights[slope + c]);
  }

  async function run(network, plane) {
    const { width, height, values } = plane, sums = new Float64Array(12), out = new Float64Array(4);
    let source = values, paused = performance.now();
    for (const pass of network.passes) {
      const made = new Float32Array(4 * pass.planes * width * height);
      for (let row = 0; row < pass.planes * height; row++) {
        const number = Math.floor(row / height), y = row % height, start = 4 * (pass.start + number * pass.stride);
        for (let x = 0; x < width; x++) {
          vectorAt(pass, network.weights, start, source, values, width, height, x, y, sums, out);
          made.set(out, 4 * (row * width + x));
        }
        // The page stays usable meanwhile.
        if (performance.now() - paused > 40) { await new Promise((done) => setTimeout(done)); paused = performance.now(); }
      }
      source = made;
    }
    return interleaved(network, source, width, height, (number, x, y) => 4 * ((number * height + y) * width + x));
  }

  return { name: "plain JavaScript", run };
})();
