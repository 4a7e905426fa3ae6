// What the viewer draws above the tiles: map, outlines, the open patch, ruler and scale bar.

const ROUND = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000];
const BAR = 80; // px that the scale bar has at least
const DOT = 3; // px below which an outline is drawn as a dot
const SMALL = 24; // and below which in few corners

function draw(root) {
  const image = tiled(root);
  if (!image) return;
  const { canvas, stage, data } = root, ratio = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(stage.clientWidth * ratio), Math.round(stage.clientHeight * ratio)];
  if (!width || !height) return; // on its way out of the page
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
  const text = !mpp ? `${pixels.toFixed(0)} px` : length >= 1000 ? `${(length / 1000).toFixed(2)} mm` : `${length.toFixed(1)} µm`;
  root.under.textContent = text;
  context.font = `${14 / scale}px sans-serif`;
  context.lineWidth = 4 / scale;
  context.strokeStyle = "#fff";
  context.strokeText(text, to.x + 8 / scale, to.y - 8 / scale);
  context.fillStyle = "#111";
  context.fillText(text, to.x + 8 / scale, to.y - 8 / scale);
}
