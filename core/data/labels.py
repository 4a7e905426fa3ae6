"""Labels as a CSV file in the layout that a data set came from, those made here included."""

import os
from pathlib import Path

import pandas as pd

from core.data.dataset import GROUPS
from core.data.decisions import apply_decisions, decisions_of
from core.data.journal import WHEN, WHO
from core.data.open import open_dataset
from core.data.picture_store import FileStore
from core.storage.spreadsheet import table_csv


def labels_csv(source: str) -> str:
    """Return the labels of all labelled patches of a data set as CSV.

    Kaggle's layout has ``id,label``. Any other has ``path``, from the folder on, where each patch is a file, ``label``
    (0 normal, 1 tumour), and split and groups where they are known. Of labels made here it says who gave them and when.

    Raises:
        DataError: the data set or its decisions cannot be read.
    """
    raw = open_dataset(source, raw=True)  # its store knows the files, which a pack does not
    decisions = decisions_of(source)
    top = Path(source) if Path(source).is_dir() else Path(source).parent
    paths = (
        [_from(top, Path(each)).as_posix() for each in raw.store.paths] if isinstance(raw.store, FileStore) else None
    )
    table = raw.table.assign(path=pd.Series(paths, index=raw.table.index, dtype="string"))
    labels = apply_decisions(raw, decisions).table[["id", "label"]].dropna()
    table = labels.merge(table.drop(columns="label"), on="id", how="left")
    made = {name: each for name, each in decisions.items() if each.kind in ("relabel", "fine")}
    table[WHO] = [made[name].by if name in made else "" for name in table["id"]]
    table[WHEN] = [made[name].at if name in made else "" for name in table["id"]]
    if raw.kind == "kaggle":
        return table_csv(table[["id", "label", WHO, WHEN]], names=("id", WHO))
    known = [name for name in ("split", *GROUPS) if table[name].notna().any()]
    chosen = table[["path" if table["path"].notna().all() else "id", "label", *known, WHO, WHEN]]
    names = [name for name in chosen.columns if name not in ("label", "split", WHEN)]
    return table_csv(chosen, names=names)


def _from(top: Path, path: Path) -> Path:
    try:
        return Path(os.path.relpath(path, top))
    except ValueError:  # another drive of Windows
        return path
