"""Fetch the public data sets: PatchCamelyon through torchvision, the competition's folder through kagglehub.

Both need a package that nothing else here needs (gdown, kagglehub), which is imported only when it is wanted. What is
not finished lies in ``.download`` inside the target folder, where the next attempt takes it up as far as these packages
can; files take their place once they are whole.
"""

import functools
import importlib
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.data.readers import Given, pcam
from core.data.readers.kaggle import LABELS_FILE
from core.data.readers.pcam import x_file, y_file
from core.data.store import PATCH_BYTES
from core.errors import DataError, StorageError
from core.progress import Progress
from core.storage import portable
from core.storage.roots import require_allowed

STAGING = ".download"
POLL_SECONDS = 1.0
COMPETITION = "histopathologic-cancer-detection"

PCAM_SPLITS = {"train": ("train", 6.42e9, 262_144), "val": ("valid", 0.81e9, 32_768), "test": ("test", 0.80e9, 32_768)}
"""torchvision's name of a split -> its name in the files, bytes to fetch (7.48 GiB in all, as TensorFlow Datasets lists
them), and patches."""

KAGGLE_ARCHIVE = 6.8e9
KAGGLE_FILES = 220_025 + 57_458 + 2
KAGGLE_UNPACKED = 7.8e9


@dataclass(frozen=True)
class Source:
    """A data set that can be fetched.

    Attributes:
        label: its name.
        about: its contents and size.
        by_hand: what to do without a network.
    """

    label: str
    about: str
    by_hand: str


SOURCES = {
    "pcam": Source(
        "PatchCamelyon",
        "327,680 labelled patches with official train, validation and test splits. 8.0 GB to fetch, 9.1 GB unpacked. "
        "No account is needed; the package gdown is (pip install gdown).",
        "By hand: download the six files camelyonpatch_level_2_split_{train,valid,test}_{x,y}.h5.gz from "
        "https://zenodo.org/records/2546921, unpack them with gunzip into one folder, and type its path under "
        "'Data set' in the sidebar.",
    ),
    "kaggle": Source(
        "Histopathologic Cancer Detection (Kaggle)",
        "220,025 labelled and 57,458 unlabelled patches. About 6.8 GB to fetch, 7.8 GB unpacked. Your own Kaggle "
        "account and token are needed, and the package kagglehub (pip install kagglehub).",
        f"By hand: accept the rules at https://www.kaggle.com/c/{COMPETITION}/rules, click Download All at "
        f"https://www.kaggle.com/c/{COMPETITION}/data, unzip it into a folder so that train/, test/ and {LABELS_FILE} "
        "lie side by side, and type the folder's path under 'Data set' in the sidebar.",
    ),
}
"""What can be fetched, by its name on the command line."""

TOKEN = (
    "Kaggle gives its data to signed-in people only. Make a token at https://www.kaggle.com/settings (API, Create New "
    "Token), put kaggle.json into ~/.kaggle/, accept the competition's rules, and try again."
)


def fetch(name: str, folder: Path, *, progress: Progress) -> None:
    """Fetch a data set into a folder; what is there already is not fetched again.

    Args:
        name: in :data:`SOURCES`.
        folder: is made if it is not there.
        progress: receives the finished share every second; what it raises ends the waiting. The download itself ends
            with the process.

    Raises:
        DataError: it cannot be fetched; the sentence says what to do by hand.
        StorageError: the disk has too little space, or the folder cannot be written.
    """
    require_allowed(folder)
    source, staging = SOURCES[name], folder / STAGING
    try:
        if folder.is_dir() and not staging.is_dir() and (folder / "train").exists():
            raise DataError(f"{folder} holds a folder train already. Choose an empty folder, or open this one.")
        staging.mkdir(parents=True, exist_ok=True)
        free, needed = portable.free_space(folder) + _bytes(staging), _needed(name, folder)
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror}. Choose another folder.") from error
    if free < needed:
        raise StorageError(
            f"{source.label} needs {needed / 1e9:.0f} GB on the disk of {folder}, and {free / 1e9:.1f} GB are free. "
            "Free some space, or choose another folder."
        )
    (_fetch_pcam if name == "pcam" else _fetch_kaggle)(folder, staging, progress)
    shutil.rmtree(staging, ignore_errors=True)
    progress(1.0)


def _needed(name: str, folder: Path) -> float:
    """Return the bytes that are still to be written at the worst moment."""
    if name == "kaggle":
        return 0 if (folder / LABELS_FILE).is_file() else KAGGLE_ARCHIVE + KAGGLE_UNPACKED
    missing = [each for each in PCAM_SPLITS.values() if not _has_split(folder, each[0])]
    return sum(patches * PATCH_BYTES for _, _, patches in missing) + max(
        (packed for _, packed, _ in missing), default=0
    )


def _has_split(folder: Path, split: str) -> bool:
    return x_file(folder, split).is_file() and y_file(folder, split).is_file()


def _fetch_pcam(folder: Path, staging: Path, progress: Progress) -> None:
    datasets = _package("pcam", "gdown", "torchvision.datasets")
    # Packed and unpacked, which lie side by side for a while.
    sizes = {name: packed + patches * PATCH_BYTES for name, (_, packed, patches) in PCAM_SPLITS.items()}
    total, done = sum(sizes.values()), 0.0
    for name, size in sizes.items():
        if not _has_split(folder, PCAM_SPLITS[name][0]):
            share = functools.partial(_share, staging, done, total)
            _fetch_split(folder, staging, name, datasets, share, progress)
        done += size


def _fetch_split(
    folder: Path, staging: Path, name: str, datasets: Any, share: Callable[[], float], progress: Progress
) -> None:
    place, split = staging / "pcam", PCAM_SPLITS[name][0]
    if place.is_dir():
        for path in place.iterdir():
            if path.suffix != ".gz":  # left by an attempt that was stopped: it may not be whole
                path.unlink()
    _with_progress("pcam", lambda: datasets.PCAM(str(staging), split=name, download=True), share, progress)
    pcam.read(Given(place))  # raises if the files do not belong together
    # The patches last: a split is there once both files are, and one that is cut off here is fetched again.
    portable.replace(y_file(place, split), y_file(folder, split))
    portable.replace(x_file(place, split), x_file(folder, split))
    shutil.rmtree(place)


def _share(staging: Path, done: float, total: float) -> float:
    return (done + _bytes(staging)) / total


def _fetch_kaggle(folder: Path, staging: Path, progress: Progress) -> None:
    if (folder / LABELS_FILE).is_file():
        return
    kagglehub = _package("kaggle", "kagglehub", "kagglehub")
    os.environ["KAGGLEHUB_CACHE"] = str(staging)  # there it goes on with a half-fetched archive
    found = _with_progress(
        "kaggle", lambda: kagglehub.competition_download(COMPETITION), lambda: _unpacked(staging), progress
    )
    # The labels last: with them, the folder is a data set.
    for entry in sorted(Path(found).iterdir(), key=lambda entry: entry.name == LABELS_FILE):
        portable.replace(entry, folder / entry.name)


def _unpacked(staging: Path) -> float:
    """Return the finished share of the archive (most of the time) and of the files in it."""
    fetched = sum(path.stat().st_size for path in staging.rglob("*.archive"))
    files = sum(len(os.listdir(place)) for place in staging.glob(f"competitions/{COMPETITION}/t*") if place.is_dir())
    return 0.8 * min(1.0, fetched / KAGGLE_ARCHIVE) + 0.2 * min(1.0, files / KAGGLE_FILES)


def _package(name: str, package: str, module: str) -> Any:
    try:
        importlib.import_module(package)
        return importlib.import_module(module)
    except ImportError as error:
        source = SOURCES[name]
        raise DataError(
            f"Fetching {source.label} needs the package {package}: pip install {package}. {source.by_hand}"
        ) from error


def _with_progress(name: str, work: Callable[[], Any], share: Callable[[], float], progress: Progress) -> Any:
    """Do the work of another package in a thread of its own while this one reports progress, and return its result."""
    results: list[Any] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:  # noqa: BLE001 - whatever another package's downloader raises becomes one sentence
            errors.append(error)

    # A daemon and no executor: cancelling must not wait for a download that knows no way to end.
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        progress(min(share(), 0.99))
        thread.join(POLL_SECONDS)
    if errors:
        raise DataError(_sentence(name, errors[0])) from errors[0]
    return results[0]


def _sentence(name: str, error: Exception) -> str:
    source = SOURCES[name]
    if type(error).__name__ == "UnauthenticatedError" or "You don't have permission" in str(error):
        return f"{source.label} could not be fetched: {TOKEN} {source.by_hand}"
    if {"ConnectionError", "Timeout"} & {each.__name__ for each in type(error).__mro__}:
        return f"{source.label} could not be fetched: there is no connection to its server. {source.by_hand}"
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return f"{source.label} could not be fetched ({first[:200]}). {source.by_hand}"


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
