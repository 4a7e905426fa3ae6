"""The memo of the pages: values are made once, by one thread, and again when their key changes."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from core.bundle import Bundle
from core.data import DEMO, Dataset, Decision, decide, make_pack, open_dataset
from core.data.quality import make_check
from core.data.store import PackedStore
from core.progress import Progress
from pages._ui import cache
from pages._ui.browse import columns
from tests.pages.driver import Page


@pytest.fixture
def folder(app: Page, kaggle_folder: Callable[..., Path], fresh_home: Path) -> Path:
    """A folder of four patches, and an empty memo."""
    return kaggle_folder({"a": 0, "b": 1, "c": 0, "d": 1})


def test_a_value_is_made_once_and_the_one_that_is_unused_longest_goes() -> None:
    memo, made = cache.Memo(), []

    def recall(key: str) -> str:
        return memo.recall("letter", key, lambda: made.append(key) or key.upper(), 2)

    assert [recall(key) for key in "abab"] == ["A", "B", "A", "B"]
    assert made == ["a", "b"]
    recall("a")
    recall("c")  # b goes: a was wanted since
    assert (memo.peek("letter", "a"), memo.peek("letter", "b"), memo.peek("letter", "c")) == ("A", None, "C")
    assert memo.peek("number", "a") is None
    memo.forget("letter", "a")
    recall("a")
    assert made == ["a", "b", "c", "a"]


def test_what_raises_is_not_kept() -> None:
    memo = cache.Memo()
    with pytest.raises(ZeroDivisionError):
        memo.recall("number", 0, lambda: 1 // 0, 2)
    assert memo.recall("number", 0, lambda: 7, 2) == 7


def test_threads_that_want_the_same_wait_for_the_first_and_others_do_not() -> None:
    memo, made = cache.Memo(), []
    started, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        made.append("slow")
        started.set()
        assert go_on.wait(10)
        return "done"

    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(memo.recall("work", 1, slow, 4))) for _ in range(5)]
    threads[0].start()
    assert started.wait(10)
    for thread in threads[1:]:
        thread.start()
    assert memo.recall("work", 2, lambda: "other", 4) == "other"  # while the first is in work
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert (found, made) == (["done"] * 5, ["slow"])


def test_the_same_data_set_is_opened_once_and_anew_when_it_was_packed(folder: Path) -> None:
    first = cache.dataset(str(folder))
    assert cache.dataset(str(folder)) is first
    make_pack(open_dataset(folder))
    assert isinstance(cache.dataset(str(folder)).store, PackedStore)


def test_a_decision_counts_at_once_and_so_does_its_end(folder: Path) -> None:
    before = cache.dataset(str(folder))
    decide(str(folder), {"a": Decision("exclude"), "b": Decision("relabel", 0)})
    assert cache.dataset(str(folder)).class_counts() == (2, 1)
    assert cache.relabelled(cache.dataset(str(folder))) == {"b": (1, 0)}
    decide(str(folder), {"a": None, "b": None})
    assert cache.dataset(str(folder)).class_counts() == before.class_counts() == (2, 2)
    assert cache.relabelled(cache.dataset(str(folder))) == {}


def test_the_key_of_a_data_set_covers_labels_order_and_files(folder: Path) -> None:
    keys = {cache.key_of(open_dataset(folder))}
    assert keys == {cache.key_of(open_dataset(folder))}
    lines = (folder / "train_labels.csv").read_text().splitlines()
    (folder / "train_labels.csv").write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    reordered = open_dataset(folder)
    keys.add(cache.key_of(reordered))
    (folder / "train_labels.csv").write_text((folder / "train_labels.csv").read_text().replace("a,0", "a,1"))
    keys.add(cache.key_of(open_dataset(folder)))
    os.utime(folder / "train" / "b.tif", (1, 1))
    keys.add(cache.key_of(open_dataset(folder)))
    assert len(keys) == 4


def test_columns_follow_labels_and_check(folder: Path) -> None:
    dataset = open_dataset(folder)
    known = columns.fixed(dataset)
    assert columns.fixed(open_dataset(folder)) is known
    assert columns.checked_patches(dataset) is None
    make_check(str(folder))
    checked = columns.checked_patches(dataset)
    assert checked is not None
    assert columns.checked_patches(open_dataset(folder)) is checked
    decide(str(folder), {"b": Decision("relabel", 0)})
    assert np.array_equal(columns.fixed(open_dataset(folder)).label, [0, 0, 0, 1])


def test_a_bundle_that_was_replaced_is_read_again(app: Page, tiny_bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    tiny_bundle.save(path)
    first = cache.predictor(path, "cpu")
    assert cache.predictor(path, "cpu") is first
    Bundle(tiny_bundle.card.with_changes(threshold=0.6), tiny_bundle.weights).save(path)
    os.utime(path, ns=(1, 1))
    assert cache.predictor(path, "cpu").bundle.card.threshold == 0.6
    assert cache.bundle(path).card.threshold == 0.6


def test_a_visitor_who_leaves_does_not_end_the_generation_of_the_demo(
    app: Page, small_demo: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    class LeftError(Exception):
        """What ends the session of a visitor who leaves."""

    seen: list[float] = []
    go_on, generated = threading.Event(), []

    def generate(_source: str, *, progress: Progress, **_: object) -> Dataset:
        if not generated:
            progress(0.5)
            assert go_on.wait(10)
            generated.append(threading.current_thread().daemon)
        return small_demo

    @contextmanager
    def bar(_label: str) -> Iterator[Progress]:
        def show(share: float) -> None:
            seen.append(share)
            if len(seen) == 2:
                raise LeftError
            if len(seen) == 4:
                go_on.set()

        yield show

    monkeypatch.setattr(cache, "open_dataset", generate)
    monkeypatch.setattr(cache.widgets, "progress", bar)
    with pytest.raises(LeftError):
        cache.dataset(DEMO)
    assert len(cache.dataset(DEMO)) == len(small_demo)  # the next visitor sees how far it is, and it is made once
    assert generated == [True]
    assert seen[-1] == 0.5
