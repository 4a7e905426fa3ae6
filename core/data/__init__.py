"""Where patches come from: Kaggle's folder, PCam's HDF5 files, the synthetic demo set; and how they are split."""

from core.data.dataset import CLASS_NAMES, Dataset, Decided, Problem, join, make_table
from core.data.decisions import Decision, apply_decisions, decide, decisions_of, decisions_path, take_back
from core.data.demo_cache import DemoSize, open_demo
from core.data.open import DEMO, open_dataset
from core.data.pack import Pack, find_pack, is_stale, make_pack, pack_folder, remove_pack
from core.data.splits import PARTS, SplitRule, assign, choose_rule, default_rule, fit_rule
from core.data.store import CENTRE, PATCH_SIZE, ArrayStore, FileStore, Hdf5Store, JoinedStore, Loaded, PatchStore, read
from core.data.subsample import Subsample, find_subsample, subsample

__all__ = [
    "CENTRE",
    "CLASS_NAMES",
    "DEMO",
    "PARTS",
    "PATCH_SIZE",
    "ArrayStore",
    "Dataset",
    "Decided",
    "Decision",
    "DemoSize",
    "FileStore",
    "Hdf5Store",
    "JoinedStore",
    "Loaded",
    "Pack",
    "PatchStore",
    "Problem",
    "SplitRule",
    "Subsample",
    "apply_decisions",
    "assign",
    "choose_rule",
    "decide",
    "decisions_of",
    "decisions_path",
    "default_rule",
    "find_pack",
    "find_subsample",
    "fit_rule",
    "is_stale",
    "join",
    "make_pack",
    "make_table",
    "open_dataset",
    "open_demo",
    "pack_folder",
    "read",
    "remove_pack",
    "subsample",
    "take_back",
]
