// What the viewer loads beside the tiles: the map, outlines, and the classes of annotations.

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
