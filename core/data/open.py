"""Open a data set from one word: ``demo`` or the path of a folder."""

from pathlib import Path

from core.data import kaggle, pcam
from core.data.dataset import Dataset
from core.data.demo_cache import open_demo
from core.data.store import Progress
from core.errors import DataError

DEMO = "demo"


def open_dataset(source: str | Path, *, progress: Progress | None = None) -> Dataset:
    """Open the data set at `source`: ``"demo"``, a Kaggle folder, or a folder with PCam's HDF5 files.

    Args:
        source: ``"demo"`` or a folder.
        progress: told the finished share while the demo is generated for the first time.

    Raises:
        DataError: nothing is there that could be opened; the message says what was expected.
    """
    if str(source).strip() == DEMO:
        return open_demo(progress=progress)
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
        return kaggle.open_kaggle(folder.resolve())
    if any(pcam.x_file(folder, split).name in names for split in pcam.SPLITS):
        return pcam.open_pcam(folder.resolve())
    raise DataError(
        f"{folder} is neither a Kaggle folder (train_labels.csv beside train/ID.tif) nor a PCam folder "
        f"(camelyonpatch_level_2_split_train_x.h5 and its like); it holds {_listing(names)}."
    )


def _listing(names: set[str]) -> str:
    if not names:
        return "nothing"
    shown = sorted(names)[:3]
    return ", ".join(shown) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
