"""Damaged packs: the data set is refused in a sentence, read from its files, or has the same patches."""

import hashlib
from pathlib import Path

from core.data import make_pack, open_dataset, pack_folder
from core.data.pack import remove_pack
from core.data.store import read
from core.errors import NodescopeError
from tests.fuzzers.damage import copy_with_damage as damaged

__all__ = ["attempt", "damaged", "place"]

CHECKED = True
"""A change of the answer is a finding: the patches are known."""


def place(home: Path) -> Path:
    """Return the folder that is damaged, with a pack of this version: those of version 0.1 have no checksums."""
    source = str(home.parent / "patches")
    remove_pack(source)
    make_pack(open_dataset(source, raw=True))
    return pack_folder(source)


def attempt(path: Path) -> str:
    """Open the data set with its pack, read every patch, and return a digest of ids, labels and pixels."""
    source = str(path.parents[2] / "patches")
    try:
        dataset = open_dataset(source, decisions="none")
        pixels = read(dataset.store, range(len(dataset)))
    except NodescopeError:
        return "refused"
    table = dataset.table[["id", "label", "split", "slide"]].astype(str).to_csv()
    return hashlib.sha256(pixels.tobytes() + table.encode()).hexdigest()
