"""The memo of the pages: what was worked out once is shared by all sessions, and worked out anew when its key changes.

A key names everything that the value depends on, and nothing of the session. Files are in it by their times
(:func:`file_stamp`), data sets by :func:`key_of`. So a page never asks whether a value is out of date: what has changed
has another key, and the value of the old one goes when there are too many.
"""

from collections.abc import Callable, Hashable
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from threading import Lock, Thread
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

import streamlit as st

from core.bundle import Bundle, load_bundle
from core.data import DEMO, Dataset, apply_decisions, decisions_of, open_dataset
from core.data.decisions import NONE, decisions_stamp
from core.data.found import describe
from core.data.open import recognise
from core.data.pack import made_stamp
from core.data.recent import remember_opened
from core.errors import NodescopeError
from core.prediction import Predictor
from pages._ui import widgets

Relabelled = dict[str, tuple[int, int]]
"""Id -> the label that the data give, -1 for none, and the one that was decided."""

GENERATING = "Generating the synthetic demo set, once"

_T = TypeVar("_T")


class Memo:
    """Values by kind and key, for any number of threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._values: dict[str, dict[Hashable, Any]] = {}  # the one that was wanted last is last
        # A lock lives as long as a thread holds it, so that this needs no cleaning up, also after an error.
        self._making: WeakValueDictionary[tuple[str, Hashable], Lock] = WeakValueDictionary()

    def recall(self, kind: str, key: Hashable, make: Callable[[], _T], most: int) -> _T:
        """Return the value, made by the first thread that wants it while others that want the same one wait."""
        with self._lock:
            values = self._values.setdefault(kind, {})
            if key in values:
                # A dict keeps the order of insertion: put back at the end, so that the first is the one unused longest.
                values[key] = found = values.pop(key)
                return cast(_T, found)
            # A lock for each value, so that a slow one holds up only the sessions that wait for it.
            making = self._making.setdefault((kind, key), Lock())
        with making:
            with self._lock:
                if key in values:  # another thread made it while this one waited
                    return cast(_T, values[key])
            # The memo's lock is free meanwhile: what is made may itself recall another value.
            value = make()
            with self._lock:
                values[key] = value
                while len(values) > most:
                    del values[next(iter(values))]
        return value

    def peek(self, kind: str, key: Hashable) -> Any | None:
        """Return the value if it is there, else None."""
        with self._lock:
            return self._values.get(kind, {}).get(key)

    def forget(self, kind: str, key: Hashable) -> None:
        """Let go of a value, if it is there."""
        with self._lock:
            self._values.get(kind, {}).pop(key, None)


@st.cache_resource(show_spinner=False)
def _memo() -> Memo:
    # In Streamlit's cache, so that "Clear cache" in its menu and the tests clear this one too.
    return Memo()


def recall(kind: str, key: Hashable, make: Callable[[], _T], *, most: int = 8, doing: str = "") -> _T:
    """Return the value of this kind for this key, or make it.

    Nobody may change it: others look at the same object.

    Args:
        kind: what it is, such as "check".
        key: all that it depends on.
        make: works it out.
        most: values of this kind that are kept; the one that nobody wanted for the longest time goes first.
        doing: shown beside a spinner meanwhile; empty for what takes no time or shows its own progress.

    Example:
        >>> recall("length", "four", lambda: len("four"))
        4
    """

    def shown() -> _T:
        with st.spinner(doing) if doing else nullcontext():
            return make()

    return _memo().recall(kind, key, shown, most)


def newest(slot: str, key: Hashable, make: Callable[[], _T]) -> _T:
    """Return what was made for this key last in this session, or make it: for uploads, which are nobody else's.

    Args:
        slot: of the session, which holds the value of one key only: a large picture takes 0.1 GB.
        key: all that it depends on.
        make: works it out.
    """
    held: tuple[Hashable, _T] | None = st.session_state.get(slot)
    if held is None or held[0] != key:
        held = st.session_state[slot] = (key, make())
    return held[1]


def peek(kind: str, key: Hashable) -> Any | None:
    """Return the value if it was made, else None; for what is made on request only."""
    return _memo().peek(kind, key)


def file_stamp(path: Path) -> int:
    """Return what changes when a file does, for a key: its time of change in nanoseconds, 0 where there is none."""
    return path.stat().st_mtime_ns if path.is_file() else 0


def key_of(dataset: Dataset) -> tuple[str, str, str]:
    """Return what stands for the rows of a data set and their pixels.

    The stamp covers ids, labels, slides and files, but not the order of the rows, which the files of labels give; the
    quick stamp covers those. Both are worked out when a data set is opened, or once after that.
    """
    return dataset.source, dataset.stamp(), dataset.quick_stamp


def dataset(source: str) -> Dataset:
    """Return the data set at `source` as people decided about its patches; a new decision counts at once.

    A bar shows the progress while the demo set is generated, the first time.

    Raises:
        DataError: it cannot be opened, or the decisions cannot be read.
    """
    if source == DEMO:
        _wait_for_demo()
    base = _undecided(source)
    # A pack changes where pixels come from and nothing that `key_of` covers.
    key = (*key_of(base), made_stamp(base.source), decisions_stamp(base.source))
    return recall("decided", key, lambda: apply_decisions(base, decisions_of(base.source)), most=4)


def left_out(source: str) -> str:
    """Return what was left out of the data set at `source` if some page has opened it, else ""."""
    opened = peek("opened", source)
    return "" if opened is None else cast(Dataset, opened[1]).left_out()


def relabelled(dataset: Dataset) -> Relabelled:
    """Return the patches whose label a decision changes, of a data set with or without the decisions.

    Raises:
        DataError: the decisions cannot be read.
    """
    base, stamp = dataset.base, decisions_stamp(dataset.source)
    if not stamp:
        return {}

    def make() -> Relabelled:
        decided = {name: each.label for name, each in decisions_of(base.source).items() if each.label is not None}
        table = base.table[base.table["id"].isin(list(decided))]
        given = zip(table["id"], table["label"].fillna(-1).astype(int), strict=True)
        return {name: (was, decided[name]) for name, was in given if was != decided[name]}

    return recall("relabelled", (*key_of(base), stamp), make, most=4)


def _undecided(source: str) -> Dataset:
    """Return the data set at `source` as it would be without anybody's decisions. Raises :class:`DataError`.

    It is opened anew once it has been packed or checked, here or anywhere else.
    """
    made, opened = recall("opened", source, lambda: _open(source))
    if made != made_stamp(opened.source):
        _memo().forget("opened", source)
        made, opened = recall("opened", source, lambda: _open(source))
    return opened


def reload_dataset(source: str) -> None:
    """Open the data set again when it is next needed, and look at every file instead of trusting a glance."""
    _memo().forget("opened", source)
    _to_look_at().add(source)


class _Generating(Thread):
    """Generates the demo set for all visitors: one who leaves meanwhile does not end it."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.share = 0.0
        self.start()

    def run(self) -> None:
        """Generate it; an error is met again by the session that opens it, and shown there."""
        with suppress(NodescopeError):
            open_dataset(DEMO, progress=partial(setattr, self, "share"))


def _wait_for_demo() -> None:
    generating = recall("demo", DEMO, _Generating)
    if generating.is_alive():
        with widgets.progress(GENERATING) as show:
            while generating.is_alive():
                show(generating.share)
                generating.join(0.3)


def _open(source: str) -> tuple[tuple[int, ...], Dataset]:
    """Return a data set and the stamp of its pack and check from before it was opened."""
    with widgets.progress(GENERATING) as show:
        with st.spinner("Opening the data set …", show_time=True) if source != DEMO else nullcontext():
            # Before the data set is read: if a pack is finished meanwhile, the next rerun sees another stamp.
            made = made_stamp(recognise(source))
            opened = open_dataset(source, progress=show, decisions=NONE, fresh=source in _to_look_at())
        if source != DEMO:
            remember_opened(opened.source, describe(opened))
        # Only after it was opened: after an error the next attempt has to look at every file too.
        _to_look_at().discard(source)
    return made, opened


@st.cache_resource(show_spinner=False)
def _to_look_at() -> set[str]:
    return set()


def bundle(path: Path) -> Bundle:
    """Return the bundle at `path`, read again when the file has changed. Raises :class:`BundleError`."""
    return recall("bundle", (path, file_stamp(path)), lambda: load_bundle(path), most=4)


def predictor(path: Path, device: str) -> Predictor:
    """Return the bundle at `path` on `device`, loaded once for all sessions; again when the file has changed.

    Raises:
        BundleError: it cannot be read.
        DeviceError: there is no such device.
    """

    def make() -> Predictor:
        return Predictor(load_bundle(path), device=device)

    return recall("predictor", (path, file_stamp(path), device), make, most=4, doing="Loading the model …")
