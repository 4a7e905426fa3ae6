"""Where patches come from: one reader for each layout, and the synthetic demo set; and how they are split."""

from core.data.dataset import CLASS_NAMES, SPLITS, Dataset, Decided, Problem, join, make_table
from core.data.decisions import Decision, apply_decisions, decide, decisions_of
from core.data.demo_cache import DemoSize, open_demo
from core.data.open import DEMO, open_dataset
from core.data.pack import find_pack, is_stale, make_pack, remove_pack
from core.data.pack_blocks import Pack, pack_folder
from core.data.picture_store import FileStore
from core.data.split_rule import SplitRule
from core.data.splits import assign, choose_rule
from core.data.store import CENTRE, PATCH_SIZE, ArrayStore, JoinedStore, read
from core.data.subsample import Subsample, find_subsample

__all__ = [
    "CENTRE",
    "CLASS_NAMES",
    "DEMO",
    "PATCH_SIZE",
    "SPLITS",
    "ArrayStore",
    "Dataset",
    "Decided",
    "Decision",
    "DemoSize",
    "FileStore",
    "JoinedStore",
    "Pack",
    "Problem",
    "SplitRule",
    "Subsample",
    "apply_decisions",
    "assign",
    "choose_rule",
    "decide",
    "decisions_of",
    "find_pack",
    "find_subsample",
    "is_stale",
    "join",
    "make_pack",
    "make_table",
    "open_dataset",
    "open_demo",
    "pack_folder",
    "read",
    "remove_pack",
]
