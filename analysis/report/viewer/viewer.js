// The pictures: what is chosen, what was computed of it, and how it is shown.

const LOUPE = 48;
const viewer = { config: null, shown: null, picture: null, name: "", cut: "", bases: new Map(), focus: [0.5, 0.5], seen: false, turn: 0 };

function isBicubic(config) { return config.startsWith("Bicubic_"); }

async function enlargedBy(network, luma, told) {
  if (webglEngine.there()) {
    try {
      return { plane: await enlarge(network, webglEngine, luma, told), by: webglEngine.name };
    } catch {
      // A lost or weak GPU: from now on without it.
      webglEngine.gaveUp();
    }
  }
  return { plane: await enlarge(network, plainEngine, luma, told), by: plainEngine.name };
}

// The original, the small picture and bicubic at a scale; kept for as long as the picture stays.
async function baseOf(scale, told) {
  if (viewer.bases.has(scale)) return viewer.bases.get(scale);
  const original = planesOf(viewer.picture, scale), small = shrunk(original, scale);
  const { plane } = await enlargedBy(networkOf(`Bicubic_s${scale}`), small.luma, told);
  if (plane === null) return null;
  const base = { original, small, bicubic: finished(plane, original.luma, scale) };
  viewer.bases.set(scale, base);
  return base;
}

function finished(plane, original, scale) {
  const luma = mapped(plane, (v) => clipped(255 * v));
  return { luma, psnr: psnrOf(luma, original, scale) };
}

// Everything that is shown of a model: { scale, by, seconds, original, bicubic, network }, or null when another choice
// came in between.
async function computed(config) {
  const turn = ++viewer.turn, network = networkOf(config), begun = performance.now();
  const told = (share) => { if (turn === viewer.turn) $("viewer-status").textContent = `Computing: ${Math.round(100 * share)} %.`; return turn === viewer.turn; };
  const base = await baseOf(network.scale, told);
  const made = base && (await enlargedBy(network, base.small.luma, told));
  if (!made || made.plane === null || turn !== viewer.turn) return null;
  return { config, scale: network.scale, by: made.by, seconds: (performance.now() - begun) / 1000, ...base, network: finished(made.plane, base.original.luma, network.scale) };
}

async function showPictures() {
  if (!viewer.seen || !viewer.config || !viewer.picture) return;
  const { scale } = networkOf(viewer.config);
  if (Math.min(viewer.picture.width, viewer.picture.height) < 8 * scale) { say(`${viewer.name} is too small for x${scale}.`); return; }
  const made = await computed(viewer.config);
  if (!made) return;
  const { small, original } = made, coloured = (luma) => imageOf({ luma, blue: small.blue, red: small.red });
  viewer.shown = { ...made, images: { original: cropped(viewer.picture, original.luma), bicubic: coloured(made.bicubic.luma), network: coloured(made.network.luma) } };
  $("viewer-status").textContent = `${viewer.name}, ${original.luma.width} x ${original.luma.height}${viewer.cut}, from ${small.luma.width} x ${small.luma.height}. Computed by ${made.by} in ${made.seconds.toFixed(2)} s.`;
  drawStage();
  drawLoupe();
}

function cropped(image, { width, height }) {
  const out = new ImageData(width, height);
  for (let y = 0; y < height; y++) out.data.set(image.data.subarray(4 * y * image.width, 4 * (y * image.width + width)), 4 * y * width);
  return out;
}

function paint(canvas, image) {
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function drawStage() {
  const { images, config } = viewer.shown, against = $("viewer-against").value, { width, height } = images.network;
  const name = against === "original" ? "Original" : "Bicubic";
  paint($("viewer-right"), images.network);
  paint($("viewer-left"), images[against]);
  $("viewer-stage").style.aspectRatio = `${width} / ${height}`;
  $("viewer-frame").style.width = `min(100%, ${Math.max(width, 576)}px, ${(75 * width) / height}vh)`;
  $("viewer-left-name").textContent = name;
  $("viewer-right-name").textContent = config;
  $("viewer-right").setAttribute("aria-label", `${viewer.name}: left of the line ${name.toLowerCase()}, right of it ${config}`);
}

function drawLoupe() {
  const { images, config, bicubic, network } = viewer.shown, { width, height } = images.network;
  const side = Math.min(LOUPE, width, height), place = [width, height].map((length, i) => Math.round(viewer.focus[i] * (length - side)));
  const captions = { original: "Original", bicubic: `Bicubic · ${decibels(bicubic.psnr)}`, network: `${config} · ${decibels(network.psnr)}` };
  for (const [what, caption] of Object.entries(captions)) {
    const canvas = $(`viewer-loupe-${what}`);
    canvas.width = canvas.height = side;
    canvas.getContext("2d").putImageData(images[what], -place[0], -place[1], place[0], place[1], side, side);
    canvas.setAttribute("aria-label", `${caption}: a piece of ${side} pixels a side`);
    canvas.nextElementSibling.textContent = caption;
  }
  Object.assign($("viewer-spot").style, { left: `${(100 * place[0]) / width}%`, top: `${(100 * place[1]) / height}%`, width: `${(100 * side) / width}%`, height: `${(100 * side) / height}%` });
}

function decibels(value) { return Number.isFinite(value) ? `${value.toFixed(2)} dB` : "equal"; }

function cutAt(percent) { $("viewer-stage").style.setProperty("--cut", `${percent}%`); }

function say(text) {
  $("viewer-note").textContent = text;
  $("viewer-note").hidden = !text;
}

// Shows a model that was chosen anywhere on the page, if its network is here.
function viewModel(config) {
  if ($("viewer").hidden || viewer.config === config) return;
  if (isBicubic(config) || !networkOf(config)) {
    const why = DATA.networks.left_out[config] ?? "its weights are not in this file (sweep report --models all)";
    say(isBicubic(config) ? "" : `${config} cannot be shown: ${why}.`);
    return;
  }
  say("");
  viewer.config = config;
  $("viewer-model").value = config;
  showPictures();
}

async function viewPicture(blob, name) {
  try {
    const { pixels, cut, whole } = await pixelsOf(blob);
    Object.assign(viewer, { picture: pixels, name, cut: cut ? ` (the middle of ${whole[0]} x ${whole[1]})` : "", bases: new Map() });
    say("");
  } catch {
    say(`${name} is no picture that this browser can read.`);
    return;
  }
  await showPictures();
}

function viewSample() { return viewPicture(blobOf(DATA.networks.picture.png), DATA.networks.picture.name); }

// The choice of models; the page calls it when its data has come.
function loadViewer() {
  const models = Object.keys(DATA.networks.models ?? {}).filter((config) => !isBicubic(config));
  $("viewer").hidden = models.length === 0;
  if (!models.length) return;
  const scales = distinct(models.map((config) => networkOf(config).scale));
  $("viewer-model").replaceChildren(...scales.map((scale) => element("optgroup", { label: `x${scale}` }, ...models.filter((config) => networkOf(config).scale === scale).map((config) => element("option", { value: config, text: config })))));
  viewer.config = models[0];
  viewSample();
}

function wireViewer() {
  const stage = $("viewer-stage"), within = (value) => Math.min(1, Math.max(0, value));
  const point = (event) => {
    const box = stage.getBoundingClientRect(), x = within((event.clientX - box.x) / box.width), y = within((event.clientY - box.y) / box.height);
    $("viewer-slider").value = 100 * x;
    cutAt(100 * x);
    viewer.focus = [x, y];
    if (viewer.shown) drawLoupe();
  };
  stage.addEventListener("pointerdown", (event) => { stage.setPointerCapture(event.pointerId); point(event); });
  stage.addEventListener("pointermove", (event) => { if (event.buttons) point(event); });
  $("viewer-slider").addEventListener("input", (event) => cutAt(event.target.value));
  $("viewer-loupe").addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!move || !viewer.shown) return;
    event.preventDefault();
    viewer.focus = viewer.focus.map((value, i) => within(value + move[i] / 20));
    drawLoupe();
  });
  $("viewer-against").addEventListener("change", () => { if (viewer.shown) drawStage(); });
  $("viewer-model").addEventListener("change", (event) => viewModel(event.target.value));
  $("viewer-sample").addEventListener("click", viewSample);
  $("viewer-file").addEventListener("change", (event) => { const [file] = event.target.files; if (file) viewPicture(file, file.name); });
  wireDrop();
  // Nothing is computed for somebody who never scrolls here.
  new IntersectionObserver((entries) => { if (!viewer.seen && entries.some((entry) => entry.isIntersecting)) { viewer.seen = true; showPictures(); } }).observe($("viewer"));
}

// A file dropped beside the section must not replace the page.
function wireDrop() {
  for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());
  addEventListener("dragover", (event) => $("viewer").classList.toggle("over", $("viewer").contains(event.target)));
  addEventListener("drop", (event) => {
    $("viewer").classList.remove("over");
    const file = event.dataTransfer?.files[0];
    if (file && $("viewer").contains(event.target)) viewPicture(file, file.name);
  });
}
