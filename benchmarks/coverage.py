"""How often do the 95% intervals hold the truth, with few slides?

Slides are drawn from a population that is known: a slide has its share of tumour (one in four has none), a shift of the
logit and a sharpness of its own, as real slides differ in staining and tissue. The truth is what very many slides give.
Printed is the share of draws whose interval holds it (95 is nominal), and in brackets, where it is below 100, the share
of draws that have an interval at all. Two more lines show what the same patches give when slides are not known.

    python benchmarks/coverage.py
    python benchmarks/coverage.py --slides 4 10 --patches 50 --draws 1000
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from core.evaluation import compare, evaluate

METRICS = ("auc", "accuracy", "balanced_accuracy", "sensitivity", "brier", "ece")
GAINS = ("auc", "accuracy", "brier", "ece")


def draw(
    generator: np.random.Generator, slides: int, patches: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, probabilities of two models, and slides of `patches` patches of each of `slides` slides."""
    share = np.where(generator.random(slides) < 0.25, 0.0, generator.beta(2.0, 2.5, slides))
    slide = np.repeat(np.arange(slides), patches)
    labels = generator.random(len(slide)) < share[slide]
    patch = generator.normal(0, 1.2, len(slide))  # what makes a patch hard for both models
    models = []
    shift = generator.normal(0, 0.5, slides)  # and a slide
    for sharpness, own in ((2.2, 0.5), (1.8, 0.6)):
        gain = np.exp(generator.normal(0, 0.2, slides))
        logit = gain[slide] * (sharpness * (2.0 * labels - 1) + patch + generator.normal(0, 1.0, len(slide)))
        models.append(1 / (1 + np.exp(-(logit + (shift + generator.normal(0, own, slides))[slide]))))
    return labels, models[0], models[1], slide


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slides", type=int, nargs="+", default=[2, 3, 4, 5, 6, 8, 10, 20])
    parser.add_argument("--patches", type=int, nargs="+", default=[20, 200], help="Of each slide.")
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--resamples", type=int, default=400)
    arguments = parser.parse_args()
    started = time.process_time()
    labels, first, second, _ = draw(np.random.default_rng(1), 20_000, 100)
    one, two = (evaluate(labels, values, resamples=1).metrics for values in (first, second))
    columns = [(name, one[name].value) for name in METRICS]
    columns += [(f"gain {name}", one[name].value - two[name].value) for name in GAINS]
    print("truth: " + ", ".join(f"{name} {value:.3f}" for name, value in columns))
    print("| slides x patches | " + " | ".join(name.replace("_", " ") for name, _ in columns) + " |")
    print("|---|" + "---:|" * len(columns))
    for patches in arguments.patches:
        for slides in arguments.slides:
            for by in ("slide", "patch") if slides in (4, 10) else ("slide",):
                cells = coverage(slides, patches, by, dict(columns), arguments.draws, arguments.resamples)
                print(
                    f"| {slides} x {patches}{', unknown' if by == 'patch' else ''} | {' | '.join(cells)} |", flush=True
                )
    print(f"{arguments.draws} draws each, {time.process_time() - started:.0f} s of processor time")


def coverage(slides: int, patches: int, by: str, truth: dict[str, float], draws: int, resamples: int) -> list[str]:
    """Return, for each metric and gain, how many of 100 intervals hold the truth."""
    generator = np.random.default_rng(slides * 1000 + patches)
    held, known = dict.fromkeys(truth, 0), dict.fromkeys(truth, 0)
    for seed in range(draws):
        labels, first, second, slide = draw(generator, slides, patches)
        groups = slide if by == "slide" else None
        found = evaluate(labels, first, groups=groups, resamples=resamples, seed=seed).metrics
        gains = compare(labels, first, second, groups=groups, resamples=resamples, seed=seed)
        for name, value in truth.items():
            each = gains[name.removeprefix("gain ")] if name.startswith("gain ") else found[name]
            known[name] += each.has_interval
            held[name] += each.has_interval and each.low <= value <= each.high
    cells = []
    for name in truth:
        some = "" if known[name] == draws else f" ({100 * known[name] / draws:.0f})"
        cells.append(f"{100 * held[name] / known[name]:.0f}{some}" if known[name] else "none")
    return cells


if __name__ == "__main__":
    main()
