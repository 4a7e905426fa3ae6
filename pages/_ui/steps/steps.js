// Previous and Next. A press that comes while the page is being drawn goes on from where the one before it leads: until
// the page has answered (`data.seen`), the place that it shows is older than the one that was asked for.

const TAKES_ARROWS = "input, textarea, select, [contenteditable=true], [role=slider], [role=tab], [role=radio], [role=menu]";

export default function ({ data, parentElement, setStateValue }) {
  const root = (parentElement.steps ??= build(parentElement));
  Object.assign(root, { data, setStateValue });
  if (data.seen >= root.number) root.at = data.at;
  show(root);
  return () => {
    document.removeEventListener("keydown", root.pressed);
    parentElement.steps = undefined;
  };
}

function build(parent) {
  const root = { buttons: [...parent.querySelectorAll(".step")], number: 0, at: 0 };
  root.buttons.forEach((button) => button.addEventListener("click", () => step(root, Number(button.dataset.by))));
  root.pressed = (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const isShortcut = event.altKey || event.ctrlKey || event.metaKey || event.shiftKey;
    if (!by || !root.data.keys || isShortcut || event.defaultPrevented || event.target.closest?.(TAKES_ARROWS)) return;
    const dialog = document.querySelector("[role=dialog]");
    if (dialog && !dialog.contains(parent)) return; // keys are for what lies on top
    event.preventDefault();
    step(root, by);
  };
  document.addEventListener("keydown", root.pressed);
  return root;
}

function step(root, by) {
  if (!isThere(root, root.at + by)) return;
  root.at += by;
  root.number = Math.max(root.number + 1, Date.now()); // above what the server has seen before a reload of the page
  root.setStateValue("moved", { number: root.number, start: root.data.at, to: root.at });
  show(root);
}

function isThere(root, at) {
  return at >= 0 && at < root.data.count;
}

function show(root) {
  root.buttons.forEach((button) => { button.disabled = !isThere(root, root.at + Number(button.dataset.by)); });
}
