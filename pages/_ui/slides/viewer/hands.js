// What people do with the viewer: buttons, keys, pointer.

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
    const { x, y } = foci[root.focus];
    goTo(root, x, y, data.close);
    tellFocus(root);
    window.clearTimeout(root.opening); // of many steps only the last opens its patch
    root.opening = window.setTimeout(() => choose(root, { x, y }), 400);
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
  const isOwn = KEYS[key] || key === "m";
  if (!isOwn && event.target.matches("button, input")) return; // Enter, space and arrows are theirs
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
  if (!root.ruler?.to) root.under.textContent = under(root, at); // else the length stands there
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
