"""Browse: write the data set, or a split of it, into a folder for other programs, in the background."""

import hashlib
from pathlib import Path

import streamlit as st

from core.data import Dataset
from core.data.dataset import GROUPS
from core.data.split_file import saved_splits
from core.data.splits import is_official, lacks_test
from core.display.data_set import CARD, LAYOUTS, SUBSETS
from core.job import Job
from core.storage.home import home
from core.storage.roots import require_allowed
from pages._ui import jobs
from pages._ui.browse.splits import LABELS, file_stem

UNDIVIDED = "As the data set says, else not divided"


def draw(dataset: Dataset) -> None:
    """Draw what is exported, where to, and how far it is."""
    st.markdown("#### Export this data set")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        layout = st.selectbox("Layout", list(LAYOUTS), key="export_layout", persist_state="session", width=420,
                              format_func=lambda each: LAYOUTS[each][:1].upper() + LAYOUTS[each][1:])  # fmt: skip
        splits = _splits(dataset)
        split = st.selectbox("Divide", list(splits), key="export_split", persist_state="session", width=300)
        subset = st.selectbox("Patches", SUBSETS, key="export_subset", persist_state="session", width=160,
                              format_func=str.capitalize)  # fmt: skip
    stem = file_stem(dataset)
    given = st.text_input(
        "New folder on this computer", str(home() / "exports" / f"{stem}-{layout}-{subset}"),
        key=f"export-folder-{stem}-{layout}-{subset}", help="It must be empty, or is made.",
    )  # fmt: skip
    folder = Path(given).expanduser().resolve()
    require_allowed(folder)
    job = Job(home() / "exports" / f".{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}.job")
    if not job.status().is_active and (folder / CARD).is_file():
        st.success(f"The data set is in {folder}; {CARD} says what it is.", icon=":material/check:")
        return
    command = ["export", "--data", dataset.source, "--out", str(folder), "--layout", layout, "--subset", subset]
    jobs.draw(job, [*command, *splits[split]], label="Export", doing="Writing", icon="drive_file_move")


def _splits(dataset: Dataset) -> dict[str, list[str]]:
    """Return the ways to divide the data set, and the arguments of the command for each."""
    known = [*dataset.known_groups, *(["official"] if is_official(dataset) else [])]
    known += ["valid-as-test"] if lacks_test(dataset) else []
    ways = [name for name in LABELS if name not in (*GROUPS, "official", "valid-as-test") or name in known]
    saved = {f"Saved split {path.stem}": ["--split", str(path)] for path in saved_splits()}
    return {UNDIVIDED: [], **{LABELS[name]: ["--split", name] for name in ways}, **saved}
