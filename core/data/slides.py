"""Where the slides of a data set's patches are written, for advice."""

from core.data.dataset import Dataset
from core.data.readers.kaggle import SLIDES_FILE

_ADVICE = {
    "kaggle": f"Put {SLIDES_FILE} (columns id, wsi) beside train_labels.csv to add them.",
    "pcam": "Put camelyonpatch_level_2_split_train_meta.csv and its like (column wsi), which PCam's authors publish, "
    "beside the .h5 files to add them.",
}


def slides_advice(dataset: Dataset) -> str:
    """Return how to tell the slides of a data set that does not know them, in a sentence about its own layout."""
    if dataset.kind == "joined":
        return " ".join(_ADVICE[kind] for kind in sorted(_ADVICE))
    return _ADVICE.get(dataset.kind, "Put a CSV with the columns path, label and slide beside them to add them.")
