// Pictures as the quality protocol sees them: BT.601 luma in studio range, antialiased bicubic (a = -0.5), PSNR.

const MOST_PIXELS = 1 << 20;

// The pixels of a file, at most 2^20 of its middle, on white where it is transparent.
async function pixelsOf(blob) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const shrink = Math.min(1, Math.sqrt(MOST_PIXELS / (bitmap.width * bitmap.height)));
  const width = Math.floor(bitmap.width * shrink), height = Math.floor(bitmap.height * shrink);
  const canvas = new OffscreenCanvas(width, height), paper = canvas.getContext("2d", { willReadFrequently: true });
  paper.fillStyle = "#fff";
  paper.fillRect(0, 0, width, height);
  paper.drawImage(bitmap, -Math.floor((bitmap.width - width) / 2), -Math.floor((bitmap.height - height) / 2));
  const out = { pixels: paper.getImageData(0, 0, width, height), cut: shrink < 1, whole: [bitmap.width, bitmap.height] };
  bitmap.close();
  return out;
}

function blobOf(address) {
  const [head, data] = address.split(","), bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  return new Blob([bytes], { type: head.slice(5, head.indexOf(";")) });
}

// ImageData as luma and two planes of colour, in 0..255, with sides that are multiples of the scale.
function planesOf({ data, width: across, height: down }, scale) {
  const width = across - (across % scale), height = down - (down % scale);
  const [luma, blue, red] = [0, 1, 2].map(() => emptyPlane(width, height));
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      const i = 4 * (y * across + x), r = data[i] / 255, g = data[i + 1] / 255, b = data[i + 2] / 255;
      luma.values[at] = 16 + 65.481 * r + 128.553 * g + 24.966 * b;
      blue.values[at] = 128 - 37.797 * r - 74.203 * g + 112 * b;
      red.values[at] = 128 + 112 * r - 93.786 * g - 18.214 * b;
    }
  }
  return { luma, blue, red };
}

function imageOf({ luma, blue, red }) {
  const out = new ImageData(luma.width, luma.height);
  for (let at = 0; at < luma.values.length; at++) {
    const y = (luma.values[at] - 16) * (255 / 219), u = blue.values[at] - 128, v = red.values[at] - 128;
    // The array rounds and clips.
    out.data[4 * at] = y + 1.59603 * v;
    out.data[4 * at + 1] = y - 0.39176 * u - 0.81297 * v;
    out.data[4 * at + 2] = y + 2.01723 * u;
    out.data[4 * at + 3] = 255;
  }
  return out;
}

function cubicAt(distance) {
  const d = Math.abs(distance), a = -0.5;
  if (d <= 1) return (a + 2) * d ** 3 - (a + 3) * d ** 2 + 1;
  return d < 2 ? a * (d ** 3 - 5 * d ** 2 + 8 * d - 4) : 0;
}

// For each of `count` output places the first input place and the weights from there on, which sum to 1.
function taps(length, count) {
  const step = length / count, wide = Math.max(step, 1), out = [];
  for (let i = 0; i < count; i++) {
    const centre = (i + 0.5) * step, first = Math.max(Math.trunc(centre - 2 * wide + 0.5), 0), end = Math.min(Math.trunc(centre + 2 * wide + 0.5), length);
    const weights = Array.from({ length: end - first }, (_, j) => cubicAt((j + first - centre + 0.5) / wide));
    const sum = weights.reduce((a, b) => a + b, 0);
    out.push([first, weights.map((weight) => weight / sum)]);
  }
  return out;
}

function resized(plane, width, height) {
  const between = emptyPlane(width, plane.height), out = emptyPlane(width, height);
  taps(plane.width, width).forEach(([first, weights], x) => {
    for (let y = 0; y < plane.height; y++) {
      let sum = 0;
      for (let j = 0; j < weights.length; j++) sum += weights[j] * plane.values[y * plane.width + first + j];
      between.values[y * width + x] = sum;
    }
  });
  taps(plane.height, height).forEach(([first, weights], y) => {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let j = 0; j < weights.length; j++) sum += weights[j] * between.values[(first + j) * width + x];
      out.values[y * width + x] = sum;
    }
  });
  return out;
}

// A plane with each value changed.
function mapped(plane, change) { return { ...plane, values: plane.values.map(change) }; }
const clipped = (value) => Math.min(255, Math.max(0, value));

// What a network is given: the small picture, rounded to 8 bits, and its colours.
function shrunk({ luma, blue, red }, scale) {
  const [width, height] = [luma.width / scale, luma.height / scale];
  return {
    luma: mapped(resized(luma, width, height), (v) => clipped(Math.round(v)) / 255),
    blue: resized(resized(blue, width, height), luma.width, luma.height),
    red: resized(resized(red, width, height), luma.width, luma.height),
  };
}

// dB between two luma planes in 0..255, without a border of `scale` pixels.
function psnrOf(a, b, scale) {
  let sum = 0, count = 0;
  for (let y = scale; y < a.height - scale; y++) {
    for (let x = scale; x < a.width - scale; x++, count++) sum += (a.values[y * a.width + x] - b.values[y * a.width + x]) ** 2;
  }
  return count && sum ? 10 * Math.log10(255 ** 2 / (sum / count)) : Infinity;
}
