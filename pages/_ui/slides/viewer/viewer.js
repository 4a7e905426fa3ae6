// A slide that can be moved: OpenSeadragon shows its tiles, and one canvas above it the map, outlines, patch and ruler.
//
// `data` (see component.py) says what is shown. Opacity, threshold, outlines and place are the browser's own: none of them
// reloads the page. The place stands in the address (`at=x,y,zoom`), from where a link opens it again. The scripts of this
// folder are one to the browser: here a slide is opened and moved, loaded.js, drawing.js and hands.js do the rest.

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
  root.frame.addEventListener("keydown", (event) => pressed(root, event), true);
  root.frame.addEventListener("fullscreenchange", () => { root.message.textContent = ""; }); // it was for the full screen
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
  if (root.asked) {
    const said = data.verdict && `${data.verdict}. The patch and its maps stand beside the slide: F leaves the full screen.`;
    root.message.textContent = document.fullscreenElement ? said : "";
  }
  root.asked = false;
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
  root.trouble = root.message.textContent = "";
  begin(root);
  const viewer = (root.viewer = OSD({
    element: root.osd, drawer: "canvas", showNavigationControl: false, showNavigator: true, navigatorPosition: "BOTTOM_RIGHT", navigatorAutoFade: false,
    maxZoomPixelRatio: 8, minZoomImageRatio: 0.8, visibilityRatio: 0.4, crossOriginPolicy: false, timeout: 60000, tileRetryMax: 2,
    gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: false }, animationTime: 0.6,
    placeholderFillStyle: data.glass, navigatorBackground: data.glass, // what is not there is glass, also in the dark
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
  viewer.addHandler("tile-load-failed", ({ tile }) => complain(root, viewer, tile));
  viewer.addHandler("tile-loaded", () => { if (root.trouble && root.message.textContent === root.trouble) root.message.textContent = ""; });
  viewer.addHandler("update-viewport", () => draw(root));
  viewer.addHandler("animation-finish", () => draw(root));
  viewer.addHandler("canvas-click", (event) => {
    if (!event.quick || root.ruler) return;
    const at = tiled(root).viewportToImageCoordinates(viewer.viewport.pointFromPixel(event.position));
    choose(root, at);
  });
}

// A tile may be late, or the server gone, which passes. That the slide is damaged only the server can say, and it stays.
async function complain(root, viewer, tile) {
  const say = (text, passes = true) => { root.message.textContent = text; root.trouble = passes && text; };
  if (!root.message.textContent) say("This part of the slide takes long; trying again.");
  const answer = await fetch(tile.getUrl()).catch(() => null); // which fails where nobody answers
  const said = answer?.status === 422 ? await answer.text() : "";
  if (root.viewer !== viewer) return;
  if (said) say(said, false);
  else if (!answer) say("Nodescope does not answer; it may have been stopped.");
  else if (!answer.ok) say(`A part of this slide did not come (${answer.status}); reload the page.`);
  else { // it is there by now
    if (root.message.textContent === root.trouble) say("");
    tile.exists = true;
    viewer.forceRedraw();
  }
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
  root.asked = Boolean(document.fullscreenElement);
  if (root.asked) root.message.textContent = "Predicting …";
  root.tell("clicked", { x, y, full: root.asked });
}
