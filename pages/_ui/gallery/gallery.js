// A grid of patches: the arrow keys move, Enter or a click opens, Space, the check mark, Shift or Ctrl select.
//
// `data` (see component.py) says what is shown. What the visitor selects is drawn at once and sent a moment later; until
// the page has answered (`data.seen`), the selection that it knows is older than the one on screen.

const WAIT = 250; // ms in which several selections are sent as one

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = (parentElement.patches ??= build(parentElement));
  Object.assign(root, { setStateValue, setTriggerValue });
  if (data.seen >= root.sent && !root.timer) root.changes = {};
  show(root, data);
}

function build(parent) {
  const root = {
    list: parent.querySelector(".patches"), tip: parent.querySelector(".patch-tip"),
    changes: {}, sent: 0, timer: null, focus: 0, anchor: 0, tiles: [], sheet: null,
  };
  // The counter survives a reload of the page, where the server still knows how far it has seen.
  root.sent = Date.now();
  const at = (event) => root.tiles.indexOf(event.target.closest?.(".patch"));
  root.list.addEventListener("click", (event) => clicked(root, at(event), event));
  root.list.addEventListener("keydown", (event) => pressed(root, at(event), event));
  root.list.addEventListener("focusin", (event) => { focusOn(root, at(event)); tell(root, at(event)); });
  root.list.addEventListener("focusout", () => { root.tip.hidden = true; });
  root.list.addEventListener("pointerover", (event) => tell(root, at(event)));
  root.list.addEventListener("pointerleave", () => { root.tip.hidden = true; });
  return root;
}

function show(root, data) {
  const { list } = root;
  list.style.setProperty("--tile", `${data.size}px`);
  list.style.setProperty("--tumour", data.colours.tumour);
  list.style.setProperty("--normal", data.colours.normal);
  list.classList.toggle("boxes", data.boxes);
  list.classList.toggle("selectable", data.selectable);
  list.setAttribute("aria-label", data.name);
  if (root.sheet !== data.sheet) rebuild(root, data);
  root.data = data;
  root.tiles.forEach((tile, at) => {
    const patch = data.patches[at];
    const label = [...patch.lines, ...(isSelected(root, patch) ? ["selected"] : [])].join(", ");
    tile.setAttribute("aria-label", label);
    tile.dataset.label = patch.label;
    tile.classList.toggle("marked", Boolean(patch.marked));
    tile.querySelector(".patch-badge").textContent = patch.badge;
  });
  drawSelection(root);
}

function rebuild(root, data) {
  const hadFocus = root.list.contains(document.activeElement);
  root.sheet = data.sheet;
  const rows = Math.ceil(data.patches.length / data.across);
  const share = (at, count) => (count > 1 ? `${(at / (count - 1)) * 100}%` : "0%");
  // Tiles are used again, so that the focus finds its place when a dialog closes over a grid that has changed.
  root.tiles = data.patches.map((_, at) => {
    const tile = root.tiles[at] ?? empty();
    const pixels = tile.firstChild.style;
    pixels.backgroundImage = `url(${data.sheet})`;
    pixels.backgroundSize = `${data.across * 100}% ${rows * 100}%`;
    pixels.backgroundPosition = `${share(at % data.across, data.across)} ${share(Math.floor(at / data.across), rows)}`;
    return tile;
  });
  while (root.list.children.length > root.tiles.length) root.list.lastChild.remove();
  root.list.append(...root.tiles.slice(root.list.children.length));
  root.tip.hidden = true;
  const marked = data.patches.findIndex((patch) => patch.marked);
  // Another page begins at its first patch; where only some have come or gone, the keyboard stays where it was.
  const isTurned = data.patches[0]?.id !== root.first;
  const kept = isTurned ? 0 : Math.min(root.focus, root.tiles.length - 1);
  root.first = data.patches[0]?.id;
  root.focus = root.anchor = marked >= 0 ? marked : kept;
  root.tiles.forEach((tile, at) => { tile.tabIndex = at === root.focus ? 0 : -1; });
  if (hadFocus) root.tiles[root.focus]?.focus({ preventScroll: true });
  else if (marked >= 0) root.tiles[marked].scrollIntoView({ block: "nearest" });
}

function empty() {
  const tile = document.createElement("div");
  tile.className = "patch";
  tile.setAttribute("role", "option");
  tile.innerHTML = '<div class="patch-pixels"></div><span class="patch-check"></span><span class="patch-badge"></span>';
  return tile;
}

function isSelected(root, patch) {
  return root.changes[patch.id] ?? patch.selected;
}

function drawSelection(root) {
  root.tiles.forEach((tile, at) => {
    tile.setAttribute("aria-selected", String(isSelected(root, root.data.patches[at])));
  });
}

function focusOn(root, at) {
  if (at < 0) return;
  if (root.tiles[root.focus]) root.tiles[root.focus].tabIndex = -1;
  root.focus = at;
  root.tiles[at].tabIndex = 0;
}

function clicked(root, at, event) {
  if (at < 0) return;
  const onCheck = event.target.classList.contains("patch-check");
  if (root.data.selectable && event.shiftKey) selectRange(root, root.anchor, at);
  else if (root.data.selectable && (onCheck || event.ctrlKey || event.metaKey)) toggle(root, at);
  else open(root, at);
  root.anchor = at;
  root.tiles[at].focus({ preventScroll: true });
}

function pressed(root, at, event) {
  if (at < 0 || event.altKey) return;
  if (event.key === "Enter") open(root, at);
  else if (event.key === " " && root.data.selectable) { toggle(root, at); root.anchor = at; }
  else if ((event.ctrlKey || event.metaKey) && event.key === "a" && root.data.selectable) {
    selectRange(root, 0, root.tiles.length - 1);
  } else {
    const to = target(root, at, event.key);
    // At the ends the key goes on to the page, which turns over.
    if (to === undefined || (to === at && (event.key === "ArrowLeft" || event.key === "ArrowRight"))) return;
    root.tiles[to].focus();
    if (event.shiftKey && root.data.selectable) selectRange(root, root.anchor, to);
    else root.anchor = to;
  }
  event.preventDefault();
  event.stopPropagation();
}

function target(root, at, key) {
  const last = root.tiles.length - 1;
  const top = root.tiles[0].offsetTop;
  const found = root.tiles.findIndex((tile) => tile.offsetTop !== top);
  const columns = found < 0 ? root.tiles.length : found;
  const moves = {
    ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last,
    ArrowUp: at < columns ? at : at - columns, ArrowDown: at + columns > last ? at : at + columns,
  };
  return key in moves ? Math.min(Math.max(moves[key], 0), last) : undefined;
}

function open(root, at) {
  root.tip.hidden = true;
  root.setTriggerValue("opened", root.data.patches[at].id);
}

function toggle(root, at) {
  const patch = root.data.patches[at];
  select(root, [patch], !isSelected(root, patch));
}

function selectRange(root, from, to) {
  select(root, root.data.patches.slice(Math.min(from, to), Math.max(from, to) + 1), true);
}

function select(root, patches, on) {
  patches.forEach((patch) => { root.changes[patch.id] = on; });
  drawSelection(root);
  clearTimeout(root.timer);
  root.timer = setTimeout(() => {
    root.timer = null;
    root.sent += 1;
    root.setStateValue("selected", { number: root.sent, changes: { ...root.changes } });
  }, WAIT);
}

function tell(root, at) {
  if (at < 0) return;
  const { tip, tiles, list, data } = root;
  tip.replaceChildren(...data.patches[at].lines.map((line) => {
    const row = document.createElement("div");
    row.textContent = line;
    return row;
  }));
  tip.hidden = false;
  const tile = tiles[at];
  const left = Math.min(tile.offsetLeft, Math.max(list.clientWidth - tip.offsetWidth, 0));
  tip.style.left = `${left}px`;
  tip.style.top = `${tile.offsetTop + tile.offsetHeight + 4}px`;
}
