"""A GPU against a CPU: the tests that need one, then training, prediction, explanation and maps, in eight minutes.

Run: ``python benchmarks/gpu.py [--out DIR]``. It leaves ``gpu.json`` and ``gpu.md``, one table. Training is on as many
patches as PatchCamelyon's full training data, of random pixels, in bf16, compiled, in batches of 256; a rate is that of
some hundred steps after the first ones. "Largest difference" is between GPU and CPU: of a logit, of a probability of
the map, of an explanation as a share of its largest value. Without a GPU it says so and runs the tests that pretend
one.
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from core.attribution.compute import attribute
from core.bundle import load_bundle
from core.device import describe_device, fault, resolve_device
from core.memory import give_back
from core.prediction import Predictor
from core.prediction.region import read_region
from core.runs import Augmentation, TrainingConfig
from core.training.patches import Patches
from core.training.sampling import epoch_order
from core.training.step import TrainStep

ROOT = Path(__file__).resolve().parents[1]

SECONDS = 420.0
"""No further measurement is begun after this time."""

TESTED = 220.0
"""Seconds that the tests may take."""

PATCHES, BATCH = 220_025, 256
NETWORKS = ("notebook-cnn", "efficientnet-lite0", "nodescope-net")
BUNDLES = ("nodescope", "nodescope-net")
METHODS = ("grad-cam", "integrated-gradients", "occlusion")
PRETENDED = (
    "tests/core/test_device.py", "tests/core/test_memory.py", "tests/core/runs/test_device_queue_gpus.py",
    "tests/core/training/test_gpu_proofs.py", "tests/core/training/test_group_and_compiler.py",
    "tests/core/training/preflight/test_cost_gpu.py",
)  # fmt: skip
RANDOM = np.random.default_rng(0)

Row = dict[str, Any]


class Repeated:
    """As many patches as the full training data, of which only some differ."""

    dtype = np.dtype(np.uint8)
    shape = (PATCHES, 96, 96, 3)

    def __init__(self) -> None:
        self._some = RANDOM.integers(0, 256, (4096, 96, 96, 3), dtype=np.uint8)

    def __len__(self) -> int:
        return PATCHES

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self._some[np.arange(PATCHES)[rows] % len(self._some)]


def main() -> int:
    """Write the results and print the table; the exit status is 1 if a test failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "gpu")
    parser.add_argument("--no-tests", action="store_true", help="only measure")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    has_gpu = torch.cuda.is_available() and not fault(torch.device("cuda", 0))
    found: Row = {"torch": torch.__version__, "gpu": None, "cpu": describe_device(torch.device("cpu")), "rows": []}
    if not has_gpu:
        print("There is no GPU here that PyTorch can use. The tests that pretend one are run, and nothing is measured.")
    if not arguments.no_tests:
        found["tests"] = tests(("tests/gpu", "-m", "gpu") if has_gpu else (*PRETENDED, "-m", "not slow"))
    if has_gpu:
        device = resolve_device("cuda")
        found |= {"gpu": describe_device(device), "driver": smi("driver_version")}
        for name, measure in parts(device):
            if time.monotonic() - began > SECONDS:
                found["rows"].append({"what": name, "note": "left out: no time"})
                continue
            try:
                found["rows"].append({"what": name, **measure()})
            except Exception as error:  # noqa: BLE001 - one that fails must not cost the others
                found["rows"].append({"what": name, "note": f"{type(error).__name__}: {error}"[:300]})
            give_back(device)
            save(found, arguments.out)  # what is done is kept if the rest takes too long
    found["seconds"] = round(time.monotonic() - began)
    save(found, arguments.out)
    print(table(found))
    return int(bool(found.get("tests", {}).get("status")))


def tests(words: tuple[str, ...]) -> Row:
    """Run some tests and return how they ended."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TESTED, check=False)
    except subprocess.TimeoutExpired as error:
        said = (error.stdout or b"").decode(errors="replace")
        return {"status": 124, "summary": f"more than {TESTED:.0f} s", "said": said[-4000:].splitlines()}
    lines = done.stdout.strip().splitlines()
    print("\n".join(lines[-40:]), flush=True)
    return {"status": done.returncode, "summary": lines[-1] if lines else "", "said": lines[-60:]}


def parts(device: torch.device) -> Iterator[tuple[str, Callable[[], Row]]]:
    """Yield what is measured, the most important first."""
    for model in NETWORKS:
        yield f"train {model}", lambda model=model: training(model, device)
    for name in BUNDLES:
        yield f"predict {name}", lambda name=name: prediction(name)
    yield "map nodescope-net, Mpx", region
    for name in BUNDLES:
        for method in METHODS:
            yield f"{method} {name}", lambda name=name, method=method: explanation(name, method)
    yield "train efficientnet-lite0, not compiled", lambda: training("efficientnet-lite0", device, compile="off")
    # The last one, since from here on no patches stay.
    yield "train notebook-cnn, patches sent", lambda: training("notebook-cnn", device, resident=False)


def training(model: str, device: torch.device, *, resident: bool = True, compile: str = "auto") -> Row:
    """Return steps and patches a second, seconds an epoch, utilisation and memory."""
    labels = (np.arange(PATCHES) % 2).astype(np.int64)
    part = Patches(np.arange(PATCHES).astype(str), Repeated(), labels, None)
    config = TrainingConfig(
        model=model, batch_size=BATCH, device="cuda", ema=0.99, compile=compile,
        augmentation=Augmentation(stain=0.2, brightness=0.05),
    )  # fmt: skip
    torch.cuda.reset_peak_memory_stats(device)
    if not resident:
        import core.training.loader

        core.training.loader.fits_on_device = lambda *_: False
    train_step = TrainStep(config, part)
    train_step.prepare(frozen=False)
    order = epoch_order(labels, seed=0, epoch=0)
    batches = train_step.loader.batches(
        (order[at : at + BATCH] for at in range(0, PATCHES - BATCH + 1, BATCH)), first=0
    )
    for _ in range(20):
        train_step.learn(next(batches))
    torch.cuda.synchronize(device)
    with utilisation() as used:
        began, steps = time.perf_counter(), 0
        while time.perf_counter() - began < 6 and steps < 800:
            for _ in range(20):  # as the trainer does, which reads the losses of twenty steps at once
                loss = train_step.learn(next(batches))
            steps += 20
            float(loss)
        rate = steps / (time.perf_counter() - began)
    batches.close()
    return {
        "gpu": BATCH * rate, "unit": "patches/s", "steps/s": rate, "epoch, s": PATCHES // BATCH / rate,
        "utilisation": used(), "memory, GB": torch.cuda.max_memory_reserved(device) / 1e9,
        "note": ", ".join([train_step.precision.name, train_step.compilation or "not compiled",
                           "patches stay" if train_step.loader.resident else "patches are sent"]),
    }  # fmt: skip


def prediction(name: str) -> Row:
    """Return patches a second of both devices and the largest difference of a logit."""
    pixels = RANDOM.integers(0, 256, (4096, 96, 96, 3), dtype=np.uint8)
    gpu, cpu = (Predictor(load_bundle(name), device=device) for device in ("cuda", "cpu"))
    gpu.predict(pixels[:256])
    few = pixels[:128]
    apart = np.abs(gpu.predict(few).logits - cpu.predict(few).logits).max()
    return compared(
        rate(lambda: gpu.predict(pixels), len(pixels)), rate(lambda: cpu.predict(few), len(few)), apart, "patches/s"
    )


def region() -> Row:
    """Return the megapixels a second of a map and the largest difference of a probability."""
    picture = RANDOM.integers(0, 256, (4096, 4096, 3), dtype=np.uint8)
    small = picture[:768, :768]
    gpu, cpu = (Predictor(load_bundle("nodescope-net"), device=device) for device in ("cuda", "cpu"))
    one, other = (read_region(each, small).probabilities for each in (gpu, cpu))
    whole = rate(lambda: read_region(gpu, picture), picture.shape[0] * picture.shape[1] / 1e6)
    return compared(whole, rate(lambda: read_region(cpu, small), small.size / 3e6), np.abs(one - other).max(), "Mpx/s")


def explanation(name: str, method: str) -> Row:
    """Return the explanations a second and the largest difference as a share of the largest value."""
    patch = RANDOM.integers(0, 256, (96, 96, 3), dtype=np.uint8)
    gpu, cpu = (Predictor(load_bundle(name), device=device).module for device in ("cuda", "cpu"))
    one, other = (attribute(each, patch, method=method).values for each in (gpu, cpu))
    apart = np.abs(one - other).max() / np.abs(other).max()
    rates = [rate(lambda each=each: attribute(each, patch, method=method), 1) for each in (gpu, cpu)]
    return compared(*rates, apart, "explanations/s")


def compared(gpu: float, cpu: float, apart: float, unit: str) -> Row:
    """Return a row."""
    return {"gpu": gpu, "cpu": cpu, "unit": unit, "largest difference": float(apart)}


def rate(work: Callable[[], object], amount: float) -> float:
    """Return the amount a second of the best of some rounds, at least one and for at most two seconds."""
    best, began = 0.0, time.perf_counter()
    while not best or time.perf_counter() - began < 2:
        started = time.perf_counter()
        work()
        best = max(best, amount / (time.perf_counter() - started))
    return best


@contextmanager
def utilisation() -> Iterator[Callable[[], float | None]]:
    """Watch the GPU in the body; what is yielded returns the mean use in percent, None if the driver cannot say."""
    seen: list[float] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.5):
            if (value := smi("utilization.gpu")).isdigit():
                seen.append(float(value))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield lambda: float(np.mean(seen)) if seen else None
    finally:
        over.set()
        thread.join()


def smi(field: str) -> str:
    """Return what nvidia-smi says of the first GPU; empty where there is none."""
    command = ["nvidia-smi", "--id=0", f"--query-gpu={field}", "--format=csv,noheader,nounits"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


COLUMNS = ("gpu", "cpu", "unit", "largest difference", "steps/s", "epoch, s", "utilisation", "memory, GB", "note")


def table(found: Row) -> str:
    """Return everything as Markdown."""
    tests_said = found.get("tests", {}).get("summary", "not run")
    head = f"{found['gpu'] or 'No GPU'} against {found['cpu']}; PyTorch {found['torch']}; tests: {tests_said}"
    if not found["rows"]:
        return f"{head}\n"
    lines = [head, "", f"| what | {' | '.join(COLUMNS)} |", f"|---|{'---|' * len(COLUMNS)}"]
    for row in found["rows"]:
        cells = [f"{row[name]:.3g}" if isinstance(row.get(name), float) else str(row.get(name, "")) for name in COLUMNS]
        lines.append(f"| {row['what']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def save(found: Row, folder: Path) -> None:
    """Write both files."""
    (folder / "gpu.json").write_text(json.dumps(found, indent=1) + "\n")
    (folder / "gpu.md").write_text(table(found))


if __name__ == "__main__":
    sys.exit(main())
