"""Open a data set from one word: ``demo`` or the path of a folder."""

from dataclasses import replace
from pathlib import Path

from core.data import kaggle, pcam
from core.data.dataset import Dataset
from core.data.demo_cache import open_demo
from core.data.exclusions import exclusions_path, read_exclusions, without
from core.data.pack import find_pack, open_store
from core.data.store import Progress
from core.errors import DataError

DEMO = "demo"


def open_dataset(source: str | Path, *, progress: Progress | None = None, raw: bool = False) -> Dataset:
    """Open the data set at `source`: ``"demo"``, a Kaggle folder, or a folder with PCam's HDF5 files.

    Its pixels come from its pack, where there is one of the files as they are now. Patches that somebody excluded are
    left out.

    Args:
        source: ``"demo"`` or a folder.
        progress: told the finished share while the demo is generated for the first time.
        raw: take the files themselves, with neither pack nor exclusions.

    Raises:
        DataError: nothing is there that could be opened; the message says what was expected.
    """
    dataset = _open(source, progress)
    if raw:
        return dataset
    pack = find_pack(dataset)
    if pack is not None:
        dataset = replace(dataset, store=open_store(pack))
    return without(dataset, read_exclusions(exclusions_path(dataset.source)))


def recognise(source: str | Path) -> tuple[str, Path]:
    """Return what lies at `source`, "demo", "kaggle" or "pcam", and its folder, without opening it.

    Raises:
        DataError: nothing is there that could be opened; the message says what was expected.
    """
    if str(source).strip() == DEMO:
        return DEMO, Path(DEMO)
    try:
        folder = Path(source).expanduser()
    except RuntimeError as error:  # ~name of a user who is not there
        raise DataError(f"There is no folder {source}. Check the path, or use 'demo' for the demo set.") from error
    try:
        if not folder.exists():
            raise DataError(f"There is no folder {folder}. Check the path, or use 'demo' for the synthetic demo set.")
        if not folder.is_dir():
            raise DataError(f"{folder} is a file; give the folder that holds train/ and train_labels.csv.")
        names = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}. Check its permissions.") from error
    if kaggle.LABELS_FILE in names:
        return "kaggle", folder.resolve()
    if any(pcam.x_file(folder, split).name in names for split in pcam.SPLITS):
        return "pcam", folder.resolve()
    if (folder.parent / kaggle.LABELS_FILE).is_file():
        raise DataError(f"{folder} is a part of a Kaggle folder; give the folder above it, {folder.parent}.")
    raise DataError(
        f"{folder} is neither a Kaggle folder (train_labels.csv beside train/ID.tif) nor a PCam folder "
        f"(camelyonpatch_level_2_split_train_x.h5 and its like); it holds {_listing(names)}."
    )


def _open(source: str | Path, progress: Progress | None) -> Dataset:
    kind, folder = recognise(source)
    if kind == DEMO:
        return open_demo(progress=progress)
    return kaggle.open_kaggle(folder) if kind == "kaggle" else pcam.open_pcam(folder)


def _listing(names: set[str]) -> str:
    if not names:
        return "nothing"
    shown = sorted(names)[:3]
    return ", ".join(shown) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
