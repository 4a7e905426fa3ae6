// A slide that can be moved: OpenSeadragon shows its tiles, and one canvas above it the map, outlines, patch and ruler.
//
// `data` (see component.py) says what is shown. Opacity, threshold, outlines and place are the browser's own: none of them
// reloads the page. The place stands in the address (`at=x,y,zoom`), from where a link opens it again.

const ROUND = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000];
const BAR = 80; // px that the scale bar has at least
const DOT = 3; // px below which an outline is drawn as a dot
const SMALL = 24; // and below which in few corners

let library; // one for all viewers of this window

function openSeadragon() {
  return (library ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address("tiles/openseadragon.js");
    script.onload = () => resolve(window.OpenSeadragon);
    script.onerror = () => { library = undefined; reject(new Error("OpenSeadragon did not load; reload the page.")); };
    document.head.append(script);
  }));
}

// Pages lie beside each other below the path of the app, whatever that is.
const address = (path) => new URL(path, document.baseURI).href;

export default function ({ data, parentElement, setTriggerValue }) {
  const root = (parentElement.slide ??= build(parentElement));
  root.tell = setTriggerValue;
  openSeadragon().then((OSD) => show(root, OSD, data), (error) => { root.message.textContent = error.message; });
  return () => { root.viewer?.destroy(); parentElement.slide = undefined; };
}

function build(parent) {
  const find = (name) => parent.querySelector(name);
  const root = {
    frame: find(".slide-viewer"), stage: find(".slide-stage"), canvas: find(".slide-drawing"), scale: find(".slide-scale"),
    under: find(".slide-under"), message: find(".slide-message"), focusText: find(".slide-focus"),
    colours: find(".slide-colours i"), legend: find(".slide-legend"), layer: document.createElement("canvas"), thresholdText: find(".slide-threshold"), osd: find(".slide-osd"),
    buttons: {}, shown: { map: true, areas: true, annotations: true }, outlines: {}, focus: -1, ruler: null, data: {},
  };
  for (const button of parent.querySelectorAll("[data-do]")) {
    root.buttons[button.dataset.do] = button;
    button.addEventListener("click", () => perform(root, button.dataset.do));
  }
  for (const input of parent.querySelectorAll("[data-set]")) {
    root[`${input.dataset.set}Input`] = input;
    input.addEventListener("input", () => set(root, input));
  }
  root.stage.addEventListener("keydown", (event) => pressed(root, event), true);
  root.stage.addEventListener("pointermove", (event) => moved(root, event));
  root.stage.addEventListener("pointerleave", () => { root.under.textContent = ""; });
  root.stage.addEventListener("pointerdown", (event) => measure(root, event));
  new ResizeObserver(() => draw(root)).observe(root.stage);
  return root;
}

function show(root, OSD, data) {
  const before = root.data;
  Object.assign(root, { OSD, data });
  root.stage.setAttribute("aria-label", `Slide ${data.name}. Arrow keys move, plus and minus zoom, Enter opens the patch in the middle.`);
  if (before.token !== data.token) open(root);
  else if (!before.map && data.map) begin(root); // it was predicted meanwhile
  if (before.token !== data.token || before.version !== data.version) load(root);
  for (const name of ["map", "areas", "annotations"]) {
    root.frame.querySelectorAll(`.slide-of-${name}`).forEach((each) => { each.hidden = !data[name]; });
  }
  tellFocus(root);
  remember(root); // the page has written its own part of the address
  if (data.go && root.went !== data.go.id) {
    root.went = data.go.id;
    whenOpen(root, () => goTo(root, data.go.x, data.go.y, data.close));
  }
  draw(root);
}

function open(root) {
  const { OSD, data } = root;
  root.stage.append(root.canvas); // out of what is destroyed
  root.viewer?.destroy();
  root.focus = -1;
  root.message.textContent = "";
  begin(root);
  const viewer = (root.viewer = OSD({
    element: root.osd, drawer: "canvas", showNavigationControl: false, showNavigator: true, navigatorPosition: "BOTTOM_RIGHT", navigatorAutoFade: false,
    maxZoomPixelRatio: 8, minZoomImageRatio: 0.8, visibilityRatio: 0.4, crossOriginPolicy: false, timeout: 60000, tileRetryMax: 2,
    gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: false }, animationTime: 0.6,
    placeholderFillStyle: data.glass, // what is not loaded yet is glass, also in the dark
    tileSources: {
      width: data.size[0], height: data.size[1], tileSize: data.tile, tileOverlap: data.overlap, minLevel: 0, maxLevel: data.top,
      getTileUrl: (level, x, y) => address(`tiles/${data.token}/${level}/${x}_${y}.jpg`),
    },
  }));
  viewer.canvas.append(root.canvas); // above the tiles and below the navigator
  viewer.addHandler("open", () => {
    const [x, y, zoom] = place(data.at);
    if (zoom) goTo(root, x, y, zoom, true);
  });
  viewer.addHandler("open-failed", () => { root.message.textContent = "The slide could not be read; see its row above."; });
  viewer.addHandler("tile-load-failed", ({ message }) => {
    root.trouble = root.message.textContent = /timeout/i.test(message ?? "") ? "This part of the slide takes long; trying again."
      : "A part of this slide cannot be read; the file may be damaged.";
  });
  viewer.addHandler("tile-loaded", () => { if (root.trouble && root.message.textContent === root.trouble) root.message.textContent = ""; });
  viewer.addHandler("update-viewport", () => draw(root));
  viewer.addHandler("animation-finish", () => draw(root));
  viewer.addHandler("canvas-click", (event) => {
    if (!event.quick || root.ruler) return;
    const at = tiled(root).viewportToImageCoordinates(viewer.viewport.pointFromPixel(event.position));
    choose(root, at);
  });
}

function begin(root) {
  root.opacityInput.value = root.data.opacity;
  root.thresholdInput.value = root.data.threshold;
  set(root, root.thresholdInput);
}

const tiled = (root) => root.viewer?.world?.getItemAt(0);

function whenOpen(root, act) {
  if (tiled(root)) act();
  else root.viewer.addOnceHandler("open", act);
}

const place = (text) => (/^-?\d+,-?\d+,[\d.]+$/.test(text ?? "") ? text.split(",").map(Number) : []);

function goTo(root, x, y, zoom, atOnce = false) {
  const { viewport } = root.viewer, image = tiled(root);
  viewport.zoomTo(image.imageToViewportZoom(zoom), null, atOnce);
  viewport.panTo(image.imageToViewportCoordinates(x, y), atOnce);
  viewport.applyConstraints(atOnce);
}

function remember(root) {
  const image = tiled(root);
  if (!image) return;
  const middle = image.viewportToImageCoordinates(root.viewer.viewport.getCenter());
  const zoom = image.viewportToImageZoom(root.viewer.viewport.getZoom());
  const here = new URL(window.location.href);
  here.searchParams.set("at", `${Math.round(middle.x)},${Math.round(middle.y)},${zoom.toPrecision(4) * 1}`);
  window.history.replaceState(window.history.state, "", here);
}

function choose(root, at) {
  const [x, y] = [Math.floor(at.x), Math.floor(at.y)], [width, height] = root.data.size;
  if (x < 0 || y < 0 || x >= width || y >= height) return;
  if (document.fullscreenElement) root.message.textContent = `${under(root, at)}. The patch stands beside the slide: F leaves the full screen.`;
  root.tell("clicked", { x, y });
}

// What is loaded beside the tiles

function load(root) {
  const { data } = root;
  root.map = undefined;
  root.outlines = {};
  root.hidden = new Set();
  root.legend.replaceChildren();
  root.stale = true;
  const wanted = root.loading = {}; // what arrives for an earlier slide is thrown away
  const from = (name) => fetch(address(`tiles/${data.token}/${name}?v=${data.version}`)).then((answer) => {
    if (answer.status === 422) return answer.text().then((said) => { throw new Error(said); });
    if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
    return answer;
  });
  const keep = (promise, use) => promise.then((found) => { if (root.loading === wanted) { use(found); draw(root); } })
    .catch((error) => { root.message.textContent = `Not everything could be loaded (${error.message}).`; });
  if (data.map) {
    keep(from("map.png").then((answer) => answer.blob()).then((blob) => createImageBitmap(blob)), (picture) => {
      const canvas = new OffscreenCanvas(picture.width, picture.height), context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(picture, 0, 0);
      const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
      const levels = new Uint8Array(canvas.width * canvas.height);
      for (let at = 0; at < levels.length; at++) levels[at] = pixels.data[at * 4];
      root.map = { canvas, context, pixels, levels };
      colour(root);
    });
    const table = colours(root), [first, ...others] = [0, 64, 128, 191, 255].map((at) => `rgb(${table[at].join(" ")})`);
    root.colours.style.background = `linear-gradient(to right, ${[first, ...others].join(", ")})`;
  }
  for (const name of ["areas", "annotations"]) {
    if (data[name]) keep(from(`${name}.json`).then((answer) => answer.json()), (found) => {
      root.outlines[name] = found.map(traced);
      root.stale = true;
      if (name === "annotations") explain(root);
    });
  }
}

// The classes of the annotations: each with its colour, and can be hidden.
function explain(root) {
  const classes = new Map();
  for (const each of root.outlines.annotations) {
    const known = classes.get(each.class) ?? { colour: each.colour, count: 0 };
    classes.set(each.class, { ...known, count: known.count + 1 });
  }
  root.legend.replaceChildren(...[...classes].map(([name, { colour, count }]) => {
    const label = document.createElement("label"), box = document.createElement("input"), mark = document.createElement("i");
    Object.assign(box, { type: "checkbox", checked: true });
    mark.style.borderColor = colour;
    box.addEventListener("input", () => { root.hidden[box.checked ? "delete" : "add"](name); root.stale = true; draw(root); });
    label.append(box, mark, `${name} (${count.toLocaleString("en")})`);
    return label;
  }));
}

const colours = (root) => {
  const bytes = Uint8Array.from(atob(root.data.colours), (letter) => letter.charCodeAt(0));
  return Array.from({ length: 256 }, (_, at) => Array.from(bytes.subarray(at * 3, at * 3 + 3)));
};

// Paint the cells from the threshold on; one pixel of the canvas is one cell.
function colour(root) {
  if (!root.map) return;
  const { context, pixels, levels } = root.map, table = colours(root), words = new Uint32Array(256);
  const least = 1 + Math.round(root.thresholdInput.value * 254);
  for (let level = Math.max(1, least); level < 256; level++) {
    const [red, green, blue] = table[level];
    words[level] = (255 << 24) | (blue << 16) | (green << 8) | red;
  }
  const out = new Uint32Array(pixels.data.buffer);
  for (let at = 0; at < levels.length; at++) out[at] = words[levels[at]];
  context.putImageData(pixels, 0, 0);
}

function traced(outline) {
  const path = new Path2D();
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const ring of outline.rings) {
    ring.forEach(([x, y], at) => {
      if (at) path.lineTo(x, y);
      else path.moveTo(x, y);
      [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
    });
    path.closePath();
  }
  return { ...outline, path, left, top, right, bottom };
}

// Drawing

function draw(root) {
  const image = tiled(root);
  if (!image) return;
  const { canvas, stage, data } = root, ratio = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(stage.clientWidth * ratio), Math.round(stage.clientHeight * ratio)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const origin = image.imageToViewerElementCoordinates(new root.OSD.Point(0, 0));
  const scale = (image.imageToViewerElementCoordinates(new root.OSD.Point(data.size[0], 0)).x - origin.x) / data.size[0];
  root.viewer.drawer.setImageSmoothingEnabled(scale < 1); // crisp pixels once they are larger than those of the screen
  const context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, width, height);
  context.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * origin.x, ratio * origin.y);
  if (root.map && root.shown.map) {
    const { origin: [x, y], step, cells } = data.map;
    context.globalAlpha = Number(root.opacityInput.value);
    context.imageSmoothingEnabled = false;
    context.drawImage(root.map.canvas, x, y, root.map.canvas.width * step * cells, root.map.canvas.height * step * cells);
    context.globalAlpha = 1;
  }
  context.setTransform(1, 0, 0, 1, 0, 0);
  outlines(root, context, { x: origin.x * ratio, y: origin.y * ratio, scale: scale * ratio, width, height, ratio });
  context.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * origin.x, ratio * origin.y);
  if (data.patch) frame(context, data.patch, scale);
  if (root.ruler?.to) rulerLine(root, context, scale);
  scaleBar(root, scale);
  window.clearTimeout(root.still);
  root.still = window.setTimeout(() => remember(root), 300);
}

// Outlines are drawn on a canvas of their own, larger than what is seen, that moves with the slide: thousands of them
// take longer than a frame. While the slide moves it is drawn anew at most for a fifth of the time, and sharp at rest.
function outlines(root, context, view) {
  const { layer } = root, lists = ["areas", "annotations"].filter((name) => root.shown[name] && root.outlines[name]?.length);
  if (!lists.length) return;
  const from = root.layerView, size = from && view.scale / from.scale;
  const [left, top] = from ? [view.x - from.x * size, view.y - from.y * size] : [];
  const fits = from && Math.abs(size - 1) < 1e-6 && left <= 0 && top <= 0 && left + layer.width >= view.width && top + layer.height >= view.height;
  const waits = from && root.viewer.isAnimating() && performance.now() - root.layerAt < 4 * root.layerCost;
  if (!root.stale && (fits || waits)) {
    context.drawImage(layer, left, top, layer.width * size, layer.height * size);
    return;
  }
  const [x, y] = [Math.round(view.width / 2), Math.round(view.height / 2)], begun = performance.now(); // margins
  Object.assign(layer, { width: view.width + 2 * x, height: view.height + 2 * y });
  root.layerView = { ...view, x: view.x + x, y: view.y + y };
  for (const name of lists) trace(layer, root.outlines[name], name, root.layerView, root.hidden);
  context.drawImage(layer, -x, -y);
  Object.assign(root, { stale: false, layerAt: performance.now(), layerCost: performance.now() - begun });
}

function trace(layer, listed, kind, { x, y, scale, ratio }, hidden) {
  const context = layer.getContext("2d"), px = ratio / scale; // a pixel of the screen in those of the slide
  const seen = { left: -x / scale, top: -y / scale, right: (layer.width - x) / scale, bottom: (layer.height - y) / scale };
  context.setTransform(scale, 0, 0, scale, x, y);
  for (const each of listed) {
    if (each.right < seen.left || each.left > seen.right || each.bottom < seen.top || each.top > seen.bottom) continue;
    if (kind === "annotations" && hidden.has(each.class)) continue;
    const extent = Math.max(each.right - each.left, each.bottom - each.top) / px;
    context.strokeStyle = context.fillStyle = each.colour;
    context.setLineDash([]);
    context.lineWidth = 2 * px;
    if (extent < DOT) context.fillRect(each.left, each.top, DOT * px, DOT * px);
    else if (extent < SMALL) context.stroke(coarse(each.rings, 2 * px));
    else { // a white line below, so that it is seen on tissue and map alike; what people drew is dashed
      context.lineWidth = 4 * px;
      context.strokeStyle = "rgb(255 255 255 / 0.7)";
      context.stroke(each.path);
      context.lineWidth = 2 * px;
      context.strokeStyle = each.colour;
      context.setLineDash(kind === "annotations" ? [8 * px, 5 * px] : []);
      context.stroke(each.path);
    }
  }
  context.setTransform(1, 0, 0, 1, 0, 0);
}

// The same without corners that lie nearer to the one before than that.
function coarse(rings, least) {
  const path = new Path2D();
  for (const ring of rings) {
    let [lastX, lastY] = ring[0];
    path.moveTo(lastX, lastY);
    for (const [x, y] of ring) {
      if (Math.abs(x - lastX) + Math.abs(y - lastY) < least) continue;
      path.lineTo(x, y);
      [lastX, lastY] = [x, y];
    }
    path.closePath();
  }
  return path;
}

// The chosen patch, and in it the centre that the probability is about.
function frame(context, { x, y, side }, scale) {
  for (const [width, tone] of [[4, "#fff"], [2, "#111"]]) {
    context.lineWidth = width / scale;
    context.strokeStyle = tone;
    context.strokeRect(x, y, side, side);
    context.strokeRect(x + side / 3, y + side / 3, side / 3, side / 3);
  }
}

function scaleBar(root, scale) {
  const { mpp } = root.data;
  root.scale.hidden = !mpp;
  if (!mpp) return;
  const length = ROUND.find((each) => (each / mpp) * scale >= BAR) ?? ROUND[ROUND.length - 1];
  root.scale.style.width = `${(length / mpp) * scale}px`;
  root.scale.textContent = length >= 1000 ? `${length / 1000} mm` : `${length} µm`;
}

// What people do

function set(root, input) {
  const name = input.dataset.set;
  if (input.type === "checkbox") { root.shown[name] = input.checked; root.stale = true; }
  if (name === "threshold") { root.thresholdText.textContent = Number(input.value).toFixed(2); colour(root); }
  draw(root);
}

function perform(root, what) {
  const { viewer, data } = root, foci = data.foci ?? [];
  if (!tiled(root)) return;
  root.under.textContent = ""; // what is under the pointer is another place now
  if (what === "fit") viewer.viewport.goHome();
  if (what === "one") viewer.viewport.zoomTo(tiled(root).imageToViewportZoom(1));
  if (what === "full") document.fullscreenElement ? document.exitFullscreen() : root.frame.requestFullscreen();
  if (what === "ruler") {
    root.ruler = root.ruler ? null : {};
    root.frame.classList.toggle("measuring", Boolean(root.ruler));
    root.buttons.ruler.setAttribute("aria-pressed", String(Boolean(root.ruler)));
    viewer.setMouseNavEnabled(!root.ruler);
    root.message.textContent = "";
  }
  if ((what === "next" || what === "previous") && foci.length) {
    root.focus = what === "next" ? (root.focus + 1) % foci.length : (Math.max(root.focus, 0) + foci.length - 1) % foci.length;
    goTo(root, foci[root.focus].x, foci[root.focus].y, data.close);
    tellFocus(root);
  }
  draw(root);
}

function tellFocus(root) {
  const foci = root.data.foci ?? [], at = foci[root.focus];
  root.buttons.previous.disabled = root.buttons.next.disabled = !foci.length;
  root.focusText.textContent = !foci.length ? "no focus" : at
    ? `focus ${root.focus + 1} of ${foci.length}, p ${at.p.toFixed(3)}` : `${foci.length} ${foci.length === 1 ? "focus" : "foci"}`;
}

const KEYS = { 0: "fit", 1: "one", n: "next", p: "previous", l: "ruler", f: "full" };

function pressed(root, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase();
  event.stopPropagation(); // Streamlit has shortcuts of its own
  if (key === "m") root.mapInput.click();
  else if (KEYS[key]) perform(root, KEYS[key]);
  else if (key === "enter" && tiled(root)) choose(root, tiled(root).viewportToImageCoordinates(root.viewer.viewport.getCenter()));
  else {
    const { viewport } = root.viewer ?? {};
    const step = { arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1] }[key];
    if (!viewport || !(step || key === "+" || key === "=" || key === "-")) return;
    if (step) viewport.panBy(viewport.deltaPointsFromPixels(new root.OSD.Point(step[0] * 80, step[1] * 80)));
    else viewport.zoomBy(key === "-" ? 0.7 : 1 / 0.7);
    viewport.applyConstraints();
  }
  event.preventDefault();
}

function imagePoint(root, event) {
  const box = root.stage.getBoundingClientRect();
  return tiled(root).viewerElementToImageCoordinates(new root.OSD.Point(event.clientX - box.left, event.clientY - box.top));
}

// Never 0 or 1, as everywhere.
const probability = (p) => (p < 0.005 ? "<0.01" : p > 0.995 ? ">0.99" : p.toFixed(2));

function moved(root, event) {
  if (!tiled(root)) return;
  const at = imagePoint(root, event);
  if (root.ruler?.from && root.ruler.moving) { root.ruler.to = at; draw(root); return; }
  root.under.textContent = under(root, at);
}

function under(root, at) {
  const text = [`${Math.floor(at.x).toLocaleString("en")}, ${Math.floor(at.y).toLocaleString("en")} px`];
  if (root.map) {
    const { origin: [x, y], step, cells } = root.data.map, { width, height } = root.map.canvas;
    const [column, row] = [Math.floor((at.x - x) / (step * cells)), Math.floor((at.y - y) / (step * cells))];
    const level = column >= 0 && row >= 0 && column < width && row < height ? root.map.levels[row * width + column] : 0;
    text.push(level ? `p ${probability((level - 1) / 254)}` : "no tissue");
  }
  return text.join(" · ");
}

function measure(root, event) {
  if (!root.ruler || !tiled(root) || event.button) return;
  root.ruler = { from: imagePoint(root, event), moving: true };
  root.stage.setPointerCapture(event.pointerId);
  root.stage.addEventListener("pointerup", () => { root.ruler && (root.ruler.moving = false); }, { once: true });
}

function rulerLine(root, context, scale) {
  const { from, to } = root.ruler, pixels = Math.hypot(to.x - from.x, to.y - from.y), { mpp } = root.data;
  for (const [width, tone] of [[5, "#fff"], [2, "#111"]]) {
    context.lineWidth = width / scale;
    context.strokeStyle = tone;
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y);
    context.stroke();
  }
  const length = pixels * (mpp || 1);
  root.under.textContent = !mpp ? `${pixels.toFixed(0)} px` : length >= 1000 ? `${(length / 1000).toFixed(2)} mm` : `${length.toFixed(1)} µm`;
}
