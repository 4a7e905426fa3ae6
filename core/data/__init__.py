"""Where patches come from: Kaggle's folder, PCam's HDF5 files, the synthetic demo set; and how they are split."""

from core.data.dataset import CLASS_NAMES, Dataset, Problem, join, make_table
from core.data.demo_cache import DemoSize, open_demo
from core.data.open import DEMO, open_dataset
from core.data.splits import PARTS, SplitRule, assign, default_rule
from core.data.store import CENTRE, PATCH_SIZE, ArrayStore, FileStore, Hdf5Store, JoinedStore, Loaded, PatchStore, read

__all__ = [
    "CENTRE",
    "CLASS_NAMES",
    "DEMO",
    "PARTS",
    "PATCH_SIZE",
    "ArrayStore",
    "Dataset",
    "DemoSize",
    "FileStore",
    "Hdf5Store",
    "JoinedStore",
    "Loaded",
    "PatchStore",
    "Problem",
    "SplitRule",
    "assign",
    "default_rule",
    "join",
    "make_table",
    "open_dataset",
    "open_demo",
    "read",
]
