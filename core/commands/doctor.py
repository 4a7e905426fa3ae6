"""``nodescope doctor``: whether all works here, and a report to send to somebody, without names and paths."""

import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import numpy.typing as npt
import psutil
import torch
from filelock import FileLock, Timeout

from core import __version__
from core.attribution import attribute
from core.bundle import load_bundle
from core.commands import options
from core.commands.output import print_json, table
from core.device import describe_device, resolve_device
from core.errors import NodescopeError, StorageError
from core.formatting import file_size
from core.prediction import Predictor
from core.prediction.engine import WORDS
from core.runs import preset
from core.storage import atomic, portable
from core.storage.home import HOME_VARIABLE, home, make_folder
from core.storage.home_archive import sizes
from core.training.patches import Patches
from core.training.step import TrainStep

PACKAGES = (
    "torch", "torchvision", "streamlit", "numpy", "pandas", "pillow", "scikit-learn", "scipy", "plotly", "captum",
    "accelerate", "safetensors", "h5py", "pyarrow", "optuna", "openslide-python", "openslide-bin", "tifffile",
    "openvino",
)  # fmt: skip
OPTIONAL = {"tifffile": "only for slides as OME-TIFF", "openvino": "only for faster predictions on a CPU"}
FREE_SPACE, FREE_MEMORY = 5 * 10**9, 2 * 10**9
"""Bytes below which something may fail: a pack of PatchCamelyon takes 7.2 GB, a training some 1.5 GB."""

PREDICTED, TRAINED = 256, 32
"""Patches of the self-test."""


@dataclass(frozen=True)
class Finding:
    """A line of the report.

    Attributes:
        about: what was looked at.
        found: what was found.
        remedy: what to do about it; empty where all is well.
    """

    about: str
    found: str
    remedy: str = ""


@options.command("doctor")
@options.device
@options.as_json
def command(device: str, as_json: bool) -> int:
    """Check versions, device, disk, memory and folders, and predict, train and explain a little, in about ten seconds.

    The report holds no path and no name of data, models or people, so that it can be sent to others. The exit status is
    1 if something needs attention.
    """
    found = [*_versions(), *_computer(device), *_home(), *_self_test(device)]
    if as_json:
        print_json([asdict(each) for each in found])
    else:
        print(table([[each.about, each.found] for each in found]))
        for each in found:
            if each.remedy:
                print(f"! {each.about}: {each.remedy}")
    return 1 if any(each.remedy for each in found) else 0


def _versions() -> Iterator[Finding]:
    yield Finding("Nodescope", __version__)
    yield Finding("Python", f"{platform.python_version()} ({platform.machine()})")
    yield Finding("system", f"{platform.system()} {platform.release()}")
    for name in PACKAGES:
        try:
            yield Finding(name, version(name))
        except PackageNotFoundError:
            if name in OPTIONAL:
                yield Finding(name, f"not installed ({OPTIONAL[name]})")
            else:
                yield Finding(name, "not installed", f"install it: pip install {name}")


def _computer(device: str) -> Iterator[Finding]:
    try:
        yield Finding("device", describe_device(resolve_device(device)))
    except NodescopeError as error:
        yield Finding("device", device, _without_paths(str(error)))
    yield Finding("PyTorch built for", _built_for())
    yield Finding("cores", f"{portable.cores()} of {psutil.cpu_count()}")
    memory = psutil.virtual_memory()
    few = "close other programs: training needs about 1.5 GB" if memory.available < FREE_MEMORY else ""
    yield Finding("memory", f"{file_size(memory.available)} free of {file_size(memory.total)}", few)


def _built_for() -> str:
    """Return what PyTorch was built for, and the version of the driver where there is one that says so."""
    built = (
        f"CUDA {torch.version.cuda}"
        if torch.version.cuda
        else f"ROCm {torch.version.hip}"
        if torch.version.hip
        else "CPU"
    )
    asked = shutil.which("nvidia-smi")
    if asked is None:
        return built
    query = [asked, "--query-gpu=driver_version", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, encoding="utf-8", check=False)
    return f"{built}; driver {answer.stdout.split()[0]}" if answer.stdout.split() else built


def _without_paths(text: str) -> str:
    return re.sub(r"(?:[A-Za-z]:)?[/\\][^\s,;:]+", "…", text)


def _home() -> Iterator[Finding]:
    yield Finding("home", f"chosen by {HOME_VARIABLE}" if os.environ.get(HOME_VARIABLE) else "at its usual place")
    try:
        make_folder(home())
        free, taken = portable.free_space(home()), sum(sizes().values())
        atomic.write_text(home() / "doctor.txt", "✓\n")
        portable.remove(home() / "doctor.txt")
    except (OSError, StorageError) as error:
        yield Finding(
            "writing", "fails", f"{_without_paths(str(error))} Set {HOME_VARIABLE} to a folder that you may write to."
        )
        return
    little = "free some space, or move the home folder to another disk" if free < FREE_SPACE else ""
    yield Finding("disk", f"{file_size(free)} free, {file_size(taken)} taken", little)
    yield Finding("writing", "works")
    yield _locks()


def _locks() -> Finding:
    """See that a lock that one holds keeps another out, which some network folders do not do."""
    path = home() / "locks" / "doctor.lock"
    make_folder(path.parent)
    with FileLock(path):
        try:
            FileLock(path, is_singleton=False).acquire(blocking=False).lock.release()
        except Timeout:
            return Finding("locks", "work")
    return Finding("locks", "are not kept", "two programs could work on one run: put the home folder on a local disk")


def _self_test(device: str) -> Iterator[Finding]:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (PREDICTED, 96, 96, 3), dtype=np.uint8)
    predictor: list[Predictor] = []
    yield _timed("loading the model", lambda: predictor.append(Predictor(load_bundle(), device=device)), "")
    if predictor:
        what = f"{PREDICTED} patches by {WORDS.get(predictor[0].kind, 'PyTorch')}"  # before the clock runs: it compiles
        yield _timed("predicting", lambda: predictor[0].predict(pixels), what, PREDICTED)
        yield _timed("training", lambda: _train(pixels[:TRAINED], device), f"2 steps of {TRAINED // 2} patches")
        yield _timed("explaining", lambda: attribute(predictor[0].module, pixels[0], method="grad-cam"), "1 patch")


def _timed(about: str, work: Callable[[], object], what: str, count: int = 0) -> Finding:
    began = time.perf_counter()
    try:
        work()
    except NodescopeError as error:
        return Finding(about, "fails", _without_paths(str(error)))
    except (RuntimeError, OSError) as error:  # of PyTorch, a driver or a disk: what a report is for
        return Finding(
            about, "fails", f"{type(error).__name__}; run the command again with more memory or --device cpu"
        )
    seconds = time.perf_counter() - began
    rate = f", {count / seconds:,.0f} a second" if count else ""
    return Finding(about, f"works: {what + ' in ' if what else ''}{seconds:.2f} s{rate}")


def _train(pixels: npt.NDArray[np.uint8], device: str) -> None:
    config = preset("quick").with_changes(device=device, batch_size=len(pixels) // 2)
    labels = (np.arange(len(pixels)) % 2).astype(np.int64)
    patches = Patches(np.array([str(each) for each in range(len(pixels))]), pixels, labels, None)
    step = TrainStep(config, patches)
    step.prepare(frozen=False)
    for batch in step.loader.batches(np.split(np.arange(len(pixels)), 2), first=0):
        float(step.learn(batch))
