"""Browse: download a public data set, in the background."""

import hashlib
from pathlib import Path

import streamlit as st

from core.data import Dataset
from core.data.download import SOURCES
from core.data.open import recognise
from core.errors import DataError
from core.job import Job
from core.storage.home import home
from core.storage.roots import require_allowed
from pages._ui import jobs, open_data, state
from pages._ui.browse import export


def draw(dataset: Dataset) -> None:
    """Draw what can be downloaded, how far it is, and the button that opens it; below, how to export the open one."""
    st.caption(
        "Public data sets for research. A download continues when you leave this page; files that are complete are not "
        "downloaded again."
    )
    for place, name in zip(st.columns(len(SOURCES), gap="large"), SOURCES, strict=True):
        with place, st.container(border=True):
            _source(name)
    export.draw(dataset)


def _source(name: str) -> None:
    source = SOURCES[name]
    st.markdown(f"#### {source.label}")
    st.write(source.about)
    given = st.text_input(
        "Folder on this computer", str(home() / "data" / name), key=f"{state.GET_FOLDER}-{name}",
        persist_state="session", help="It is created if it does not exist. The disk needs room for the whole data set.",
    )  # fmt: skip
    folder = Path(given).expanduser().resolve()
    require_allowed(folder)
    job = job_of(name, folder)
    if not job.status().is_active and _is_data_set(folder):
        st.success(f"The data set is in {folder}.", icon=":material/check:")
        st.button("Open", icon=":material/folder_open:", type="primary", on_click=_open, args=(str(folder),),
                  key=f"open-{name}")  # fmt: skip
    else:
        jobs.draw(job, ["download", name, str(folder)], label="Download", doing="Downloading", icon="download")
    with st.expander("Download by hand"):
        st.write(source.by_hand)


def job_of(name: str, folder: Path) -> Job:
    """Return the job that downloads a data set into a folder."""
    return Job(home() / "downloads" / f"{name}-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}.job")


def _is_data_set(folder: Path) -> bool:
    try:
        recognise(folder)
    except DataError:
        return False
    return True


def _open(folder: str) -> None:
    open_data.agree(folder)
    # Allowed although the sidebar owns this key: a callback runs before the page is drawn again.
    st.session_state[state.DATA] = folder
    st.session_state[state.BROWSE_VIEW] = "Patches"
