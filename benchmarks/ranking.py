"""Which attribution method points at tumour: every method on demo patches whose tumour pixels are known.

Run: ``python benchmarks/ranking.py [--bundle FILE] [--patches N]``. Patches come from the demo's validation and test
slides, which the shipped bundle was not trained on, with tumour in the centre and between a tenth and six tenths of the
patch tumour: where it is tumour all over, every map is right. Of each map: does its highest point lie on tumour
(pointing), the overlap (intersection over union) of the tumour with as many highest pixels, and its share on tumour.
Chance is the mean tumour share. Intervals are over slides (bootstrap, 2,000 draws).
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from core.attribution import METHODS, Attribution, attribute, available, saliency_map
from core.bundle import load_bundle
from core.data import Dataset, open_demo
from core.prediction import Predictor

DRAWS = 2000


def main() -> None:
    """Print the table, best overlap first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--patches", type=int, default=80)
    arguments = parser.parse_args()
    predictor, demo = Predictor(load_bundle(arguments.bundle), device="cpu"), open_demo()
    rows = choose(demo, arguments.patches)
    pixels, masks = demo.store.load(rows).pixels, np.asarray(demo.masks)[rows]
    slides = demo.table["slide"].to_numpy(dtype=str)[rows]
    print(f"{predictor.bundle.card.name} ({predictor.bundle.digest}), {len(rows)} patches of {len(set(slides))} slides")
    print(f"chance (mean tumour share): {masks.mean():.3f}\n")
    print("| method | pointing | overlap | share on tumour |\n|---|---|---|---|")
    table = {}
    for name in available(predictor.module):
        found = [
            against_mask(attribute(predictor.module, patch, method=name), mask)
            for patch, mask in zip(pixels, masks, strict=True)
        ]
        table[name] = np.array(found, dtype=float)
    for name, values in sorted(table.items(), key=lambda item: -item[1][:, 1].mean()):
        cells = " | ".join(with_interval(values[:, column], slides) for column in range(3))
        print(f"| {METHODS[name].label} | {cells} |")


def against_mask(attribution: Attribution, mask: np.ndarray) -> tuple[bool, float, float]:
    """Return whether the highest point of a map lies on tumour, their overlap, and the share of the map on tumour.

    The map is in the method's own sign, where "signed" counts as "positive": only evidence for tumour can point at it.
    Of equal pixels the first from the top left counts.
    """
    sign = "absolute" if METHODS[attribution.method].sign == "absolute" else "positive"
    # Uncut, so that the highest point is one pixel.
    found = saliency_map(attribution, sign=sign, percentile=100.0).astype(np.float64).ravel()
    if not found.any():
        return False, 0.0, 0.0
    tumour = mask.ravel()
    highest = tumour[np.argsort(-found, kind="stable")[: tumour.sum()]]
    overlap = float(highest.sum() / (2 * tumour.sum() - highest.sum()))
    return bool(highest[0]), overlap, float(found[tumour].sum() / found.sum())


def choose(demo: Dataset, count: int) -> np.ndarray:
    """Return row numbers of the patches that tell methods apart."""
    share = np.asarray(demo.masks).mean(axis=(1, 2))
    unseen = demo.table["split"].astype(str).isin(["valid", "test"]).to_numpy()
    tumour = (demo.table["label"] == 1).to_numpy(dtype=bool)
    rows = np.flatnonzero(unseen & tumour & (share >= 0.1) & (share <= 0.6))
    return np.sort(np.random.default_rng(0).permutation(rows)[:count])


def with_interval(values: np.ndarray, slides: np.ndarray) -> str:
    """Return the mean and its 95 % interval over slides."""
    draw = np.random.default_rng(0)
    groups = [values[slides == slide] for slide in np.unique(slides)]
    sums, counts = np.array([group.sum() for group in groups]), np.array([len(group) for group in groups])
    picks = draw.integers(len(groups), size=(DRAWS, len(groups)))
    means = sums[picks].sum(axis=1) / counts[picks].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{values.mean():.3f} ({low:.3f}–{high:.3f})"


if __name__ == "__main__":
    main()
