"""Train: tracked validation patches, with the network's probability for each at the end of every epoch."""

from typing import Any

import pandas as pd
import streamlit as st

from core.display import NORMAL, TUMOUR, jpeg_address, to_jpeg
from core.errors import NodescopeError
from core.runs import Run
from pages._ui import cache

HTML = """
<div class="bar">
  <button type="button" class="play" aria-label="Play from the first epoch">&#9654;</button>
  <input type="range" min="0" value="0" aria-label="Epoch">
  <output></output>
</div>
<div class="groups"></div>
"""

CSS = f"""
:host {{ display: block; }}
.bar {{ display: flex; gap: .6rem; align-items: center; margin-bottom: .5rem; font: 14px var(--st-font, sans-serif);
       color: var(--st-text-color); }}
.bar input {{ flex: 1; max-width: 26rem; accent-color: var(--st-primary-color); }}
.play {{ border: 1px solid var(--st-border-color, #8886); border-radius: 6px; background: none; color: inherit;
        width: 2.1rem; height: 2.1rem; cursor: pointer; font-size: .8rem; }}
.play:hover {{ border-color: var(--st-primary-color); color: var(--st-primary-color); }}
h4 {{ margin: .5rem 0 .3rem; font: 600 13px var(--st-font, sans-serif); color: var(--st-text-color); }}
.grid {{ display: flex; flex-wrap: wrap; gap: 8px; }}
figure {{ margin: 0; width: 74px; position: relative; font: 12px var(--st-font, sans-serif);
         color: var(--st-text-color); }}
img {{ width: 68px; height: 68px; display: block; image-rendering: pixelated; border: 3px solid {TUMOUR};
      border-radius: 3px; }}
.normal img {{ border: 3px dashed {NORMAL}; }}
.meter {{ height: 4px; margin-top: 3px; background: var(--st-secondary-background-color); border-radius: 2px; }}
.meter i {{ display: block; height: 100%; background: var(--st-text-color); opacity: .55; border-radius: 2px; }}
figcaption {{ display: flex; justify-content: space-between; padding-top: 1px; font-variant-numeric: tabular-nums; }}
.wrong figcaption {{ font-weight: 700; }}
.cross {{ display: none; }}
.wrong .cross {{ display: block; position: absolute; top: -4px; right: -4px; width: 19px; height: 19px;
                line-height: 19px; text-align: center; border-radius: 50%; font-weight: 700;
                background: var(--st-text-color); color: var(--st-background-color); }}
"""

JS = """
export default function ({ data, parentElement: root }) {
  const slider = root.querySelector("input"), play = root.querySelector(".play"), shown = root.querySelector("output");
  const groups = root.querySelector(".groups");
  const memory = (root.host || root).tracked ??= { run: null, tiles: [], timer: null, follows: true };
  const last = data.epochs.length - 1;

  const stop = () => { clearInterval(memory.timer); memory.timer = null; play.innerHTML = "&#9654;"; };

  function build() {
    stop();
    Object.assign(memory, { run: data.run, follows: true, tiles: [] });
    groups.replaceChildren();
    data.headings.forEach((text, label) => {
      const heading = document.createElement("h4");
      heading.textContent = text;
      const grid = document.createElement("div");
      grid.className = "grid";
      groups.append(heading, grid);
      data.patches.forEach((patch, number) => {
        if (patch.label !== label) return;
        const tile = document.createElement("figure");
        tile.innerHTML = '<img alt=""><span class="cross">\\u2717</span><div class="meter"><i></i></div>'
          + "<figcaption><span></span><span></span></figcaption>";
        tile.title = patch.id;
        tile.querySelector("img").src = patch.source;
        grid.append(tile);
        memory.tiles[number] = tile;
      });
    });
  }

  function show(at) {
    const values = data.probabilities[at];
    const before = memory.tiles.map((tile) => tile.getBoundingClientRect());
    const order = values.map((value, number) => [value, number]).sort((one, two) => one[0] - two[0]);
    let wrong = 0;
    order.forEach(([value, number]) => {
      const tile = memory.tiles[number], label = data.patches[number].label, missed = (value >= 0.5) !== (label === 1);
      wrong += missed;
      tile.className = (label ? "tumour" : "normal") + (missed ? " wrong" : "");
      tile.querySelector("i").style.width = 100 * value + "%";
      const [number_, word] = tile.querySelectorAll("figcaption span");
      number_.textContent = value.toFixed(2);
      word.textContent = missed ? "wrong" : "";
      tile.querySelector("img").alt = (label ? "Tumour" : "Normal") + " patch, probability of tumour "
        + value.toFixed(2) + (missed ? ", wrong" : "");
      tile.parentNode.append(tile);
    });
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) {
      memory.tiles.forEach((tile, number) => {
        const now = tile.getBoundingClientRect(), x = before[number].x - now.x, y = before[number].y - now.y;
        if ((x || y) && before[number].width) {
          tile.animate([{ transform: `translate(${x}px, ${y}px)` }, { transform: "none" }],
                       { duration: 350, easing: "ease-out" });
        }
      });
    }
    slider.value = at;
    shown.textContent = `Epoch ${data.epochs[at]} of ${data.of}: ${values.length - wrong} of ${values.length} right`;
  }

  if (memory.run !== data.run) build();
  slider.max = last;
  slider.oninput = () => { stop(); memory.follows = +slider.value === last; show(+slider.value); };
  play.onclick = () => {
    if (memory.timer) return stop();
    let at = +slider.value >= last ? -1 : +slider.value;
    play.innerHTML = "&#10074;&#10074;";
    memory.timer = setInterval(() => {
      at += 1;
      show(at);
      if (at >= +slider.max) { stop(); memory.follows = true; }
    }, 600);
  };
  if (!memory.timer) show(memory.follows ? last : Math.min(+slider.value, last));
  return () => {};
}
"""

# Registered on import, once for the server: the body of a page runs again and again.
_mosaic = st.components.v2.component("nodescope.tracked_patches", html=HTML, css=CSS, js=JS)


def show(run: Run, epochs: int) -> None:
    """Draw the tracked patches of a run with a slider over the epochs; nothing before the first epoch.

    Args:
        run: the run.
        epochs: how many the run will have.
    """
    table = run.patches()
    if table.empty:
        return
    config = run.config()
    on_train = config.validate_on == "train"
    st.markdown("**Training patches by epoch**" if on_train else "**Validation patches by epoch**")
    try:
        ids = tuple(table["id"][table["epoch"] == table["epoch"].iloc[0]])
        sources = cache.recall("tracked", (config.data, ids), lambda: _sources(config.data, ids), most=32)
    except NodescopeError as error:
        st.caption(f"The patches cannot be shown: {error}")
        return
    # The same key in every poll: the component stays in the browser, its slider where it is, and gets new data.
    _mosaic(key=f"tracked-{run.name}", data=payload(table, sources, run=run.name, epochs=epochs))
    st.caption(
        "The same patches in every epoch, sorted by the network's probability of tumour before calibration. A ✗ and "
        "the word “wrong” mark those on the wrong side of 0.5."
        + (" The run is trained on these patches: see the flaw above." if on_train else "")
    )


def payload(table: pd.DataFrame, sources: list[str], *, run: str, epochs: int) -> dict[str, Any]:
    """Return what the browser draws: patches, and a row of probabilities for each epoch.

    Args:
        table: of :meth:`core.runs.Run.patches`.
        sources: a picture for each patch, in the order of the first epoch.
        run: name of the run.
        epochs: how many the run will have.
    """
    first = table[table["epoch"] == table["epoch"].iloc[0]]  # each epoch has the same patches in the same order
    ids = [str(each) for each in first["id"]]
    patches = [
        {"id": each, "label": int(label), "source": source}
        for each, label, source in zip(ids, first["label"], sources, strict=True)
    ]
    return {
        "run": run,
        "of": epochs,
        "headings": ["Normal: lower is better", "Tumour: higher is better"],
        "patches": patches,
        "epochs": [int(epoch) for epoch in table["epoch"].unique()],
        "probabilities": table["probability"].round(4).to_numpy().reshape(-1, len(first)).tolist(),
    }


def _sources(data: tuple[str, ...], ids: tuple[str, ...]) -> list[str]:
    """Return a picture of each patch for the browser; an empty one for a patch that no longer exists."""
    found: dict[str, str] = {}
    for source in data:
        dataset = cache.dataset(source)
        rows = pd.Index(dataset.table["id"].astype(str)).get_indexer([str(each) for each in ids])
        known = [row for row in rows if row >= 0]
        names = dataset.table["id"].iloc[known].astype(str)
        for name, pixels in zip(names, dataset.store.load(known).pixels if known else [], strict=True):
            found.setdefault(name, jpeg_address(to_jpeg(pixels)))
    return [found.get(str(each), "") for each in ids]
