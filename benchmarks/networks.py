"""The networks side by side: size, cost, speed, and how well bundles that are given do on patches kept away.

Run: ``python benchmarks/networks.py [--data DIR --bundle FILE ...]``. Without bundles it tells what random weights can
tell: parameters, multiplications, images a second. Speed is eager fp32 on one CPU thread, in batches of the size and in
the form in which the predictor runs each network (norms folded, baked where there is a baked form), processor time; the
networks take turns, and each figure is the best of the rounds, since other work can only slow it down. With bundles,
each one's own test part of the data set is measured, in one pass.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import models
from core.bundle import Bundle, load_bundle
from core.bundle.shipped import SHIPPED, bundle_file
from core.data import Dataset, open_dataset
from core.evaluation import Evaluation, evaluate
from core.prediction import Predictor, as_input
from core.prediction.engine import ENGINES, TORCH, installed
from core.prediction.ensemble import Ensemble
from core.prediction.predictor import BATCH
from core.scoring.dataset import score, select

NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in ("notebook-cnn", "keras-cnn", "resnet50", "resnet18")},
    **{name: (name, {}) for name in ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")},
    "efficientnet-lite0, enlarged to 144 px": ("efficientnet-lite0", {"side": 144}),
    "mobilenet-v2": ("mobilenet-v2", {}),
    "mobilenet-v2, enlarged to 112 px": ("mobilenet-v2", {"side": 112}),
    "mobilenet-v2, enlarged to 128 px": ("mobilenet-v2", {"side": 128}),
    "mobilenet-v2, enlarged to 192 px": ("mobilenet-v2", {"side": 192}),
    "nodescope-net": ("nodescope-net", {}),
}
REFERENCE = "resnet18"
SIZE = BATCH["cpu"]
PATCHES = 1_000
"""Demo patches for what predicts."""

METRICS = ("auc", "accuracy", "nll", "ece")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", default="demo", help="whose test part the bundles are measured on")
    parser.add_argument("--bundle", type=Path, action="append", default=[], help="may be given more than once")
    parser.add_argument("--tta", action="store_true", help="also the mean logit of all eight flips and rotations")
    parser.add_argument("--together", action="store_true", help="also all bundles as one ensemble")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    _print_costs(arguments.rounds)
    _print_engines(arguments.rounds)
    if arguments.bundle:
        _print_figures(arguments.data, arguments.bundle, tta=arguments.tta, together=arguments.together)


def _print_costs(rounds: int) -> None:
    trained = {title: models.build(name, **arguments) for title, (name, arguments) in NETWORKS.items()}
    running = {name: _as_it_predicts(network) for name, network in trained.items()}
    plain = {f"{name}, as trained": each.to(memory_format=torch.channels_last) for name, each in trained.items()}
    speeds = images_per_second({**running, **plain}, rounds=rounds)
    print(f"eager fp32, 1 thread, batch {SIZE}, processor time, best of {rounds} rounds, torch {torch.__version__}\n")
    print(f"| network | parameters trained | GMAC a patch | images/s | × {REFERENCE} | × as trained |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in NETWORKS:
        count, cost = models.parameter_count(trained[name]), multiplications(running[name]) / 1e9
        speed = speeds[name]
        gain = speed / speeds[f"{name}, as trained"]
        print(f"| {name} | {count:,} | {cost:.3f} | {speed:.0f} | {speed / speeds[REFERENCE]:.2f} | {gain:.2f} |")


def _print_engines(rounds: int) -> None:
    """Print what predicts how fast, and how far it is from PyTorch; whole predictions of patches from bytes on."""
    patches = open_dataset("demo").store.load(np.arange(PATCHES)).pixels
    names = [each for each in ENGINES if each == TORCH or installed()]
    print(f"\n{PATCHES:,} demo patches, 1 thread, processor time, best of {rounds} rounds\n")
    print("| bundle | what predicts | patches/s | × PyTorch | one patch, ms | largest change of p | verdicts changed |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for bundle in SHIPPED:
        loaded = load_bundle(bundle)
        trained = loaded.network().to(memory_format=torch.channels_last)
        predictors = {name: Predictor(loaded, device=f"cpu:{name}") for name in names}
        work = {"eager, as trained": lambda pixels, it=trained: _eager(it, pixels)}
        work |= {name: each.predict for name, each in predictors.items()}
        best = best_seconds(work, patches, rounds=rounds)
        alone = best_seconds(work, patches[:1], rounds=10 * rounds)
        found = {name: each.predict(patches) for name, each in predictors.items()}
        for name, seconds in best.items():
            cells = ["", ""]
            if name != TORCH and name in found:
                change = np.abs(found[name].probabilities - found[TORCH].probabilities).max()
                cells = [f"{change:.1e}", f"{(found[name].verdicts != found[TORCH].verdicts).sum()} of {PATCHES:,}"]
            speeds = f"{PATCHES / seconds:,.0f} | {best[TORCH] / seconds:.2f} | {1000 * alone[name]:.1f}"
            print(f"| {bundle} | {name} | {speeds} | {' | '.join(cells)} |", flush=True)


@torch.inference_mode()
def _eager(network: nn.Module, pixels: np.ndarray) -> None:
    for start in range(0, len(pixels), SIZE):
        network(as_input(pixels[start : start + SIZE], torch.device("cpu")))


def best_seconds(work: dict[str, Callable], pixels: np.ndarray, *, rounds: int) -> dict[str, float]:
    """Return the least seconds of processor time that each took for the patches; they take turns."""
    best = dict.fromkeys(work, np.inf)
    for _ in range(rounds + 1):
        for name, each in work.items():
            started = time.process_time()
            each(pixels)
            best[name] = min(best[name], time.process_time() - started)
    return best


def _as_it_predicts(network: nn.Module) -> nn.Module:
    bake = getattr(network.eval(), "bake", None)
    return models.fold(network if bake is None else bake()).to(memory_format=torch.channels_last)


def multiplications(network: nn.Module) -> float:
    """Return the multiply-accumulates of one patch; PyTorch counts each as two operations."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, 96, 96))
    return counter.get_total_flops() / 2


@torch.inference_mode()
def images_per_second(networks: dict[str, nn.Module], *, rounds: int) -> dict[str, float]:
    """Return the best throughput of each network; they take turns."""
    batch = torch.rand(SIZE, 3, 96, 96).contiguous(memory_format=torch.channels_last)
    best = dict.fromkeys(networks, 0.0)
    for _ in range(rounds + 1):  # the first round warms up and counts if it should be the best
        for name, network in networks.items():
            started = time.process_time()
            network(batch)
            best[name] = max(best[name], SIZE / (time.process_time() - started))
    return best


def _print_figures(data: str, bundles: list[Path], *, tta: bool, together: bool) -> None:
    dataset = open_dataset(data)
    print(f"\n{dataset.name}, each bundle's own test part, one pass\n")
    print("| bundle | network | n | AUC | accuracy | NLL | ECE | file, MB |")
    print("|---|---|---:|---|---|---|---|---:|")
    for path in bundles:
        bundle = load_bundle(path)
        scored = score(Predictor(bundle, device="cpu"), dataset, split="test")
        size = f"{bundle_file(path).stat().st_size / 1e6:.1f}"
        _print_row(bundle.card.name, bundle.card.model, scored.evaluation(bundle.card.threshold), size)
        if tta:
            pixels, labels = _test_patches(dataset, bundle)
            found = _measured(Ensemble([bundle], device="cpu", tta=True), pixels, labels)
            _print_row(f"{bundle.card.name}, eight passes", bundle.card.model, found)
    if together:
        pixels, labels = _test_patches(dataset, load_bundle(bundles[0]))
        ensemble = Ensemble([load_bundle(path) for path in bundles], device="cpu")
        _print_row("all together", "", _measured(ensemble, pixels, labels))


def _test_patches(dataset: Dataset, bundle: Bundle) -> tuple[np.ndarray, np.ndarray]:
    rows = select(bundle, dataset, "test")[0]
    return dataset.store.load(rows).pixels, dataset.table["label"].to_numpy()[rows].astype(int)


def _measured(ensemble: Ensemble, pixels: np.ndarray, labels: np.ndarray) -> Evaluation:
    return evaluate(labels, ensemble.predict(pixels).probabilities, threshold=ensemble.threshold)


def _print_row(title: str, network: str, found: Evaluation, size: str = "") -> None:
    cells = " | ".join(str(found.metrics[name]) for name in METRICS)
    print(f"| {title} | {network} | {found.n:,} | {cells} | {size} |", flush=True)


if __name__ == "__main__":
    main()
