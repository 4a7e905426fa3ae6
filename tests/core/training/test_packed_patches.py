"""Training on a pack: its patches stay in the memory map, and the weights are those of a training on the files."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from core.bundle import load_bundle
from core.data import Dataset, make_table, open_dataset
from core.data.dataset import join
from core.data.pack import make_pack
from core.data.store import ArrayStore, Loaded, PackedStore, RowStore
from core.data.stored_patches import StoredPatches, is_at_hand, known_among
from core.runs import Augmentation, TrainingConfig, create_run
from core.runs.run import Run
from core.training.data import gather
from core.training.execute import execute
from core.training.loader import BatchLoader

CONFIG = TrainingConfig(epochs=2, batch_size=8, augmentation=Augmentation(stain=0.1), device="cpu", ema=0.9)


def _mapped(path: Path, count: int, **unreadable: str) -> Dataset:
    pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, 96, 96, 3))
    pixels[:] = np.random.default_rng(0).integers(0, 256, (count, 1, 1, 3), dtype=np.uint8)
    store = PackedStore(np.load(path, mmap_mode="r"), {int(row[1:]): why for row, why in unreadable.items()})
    table = make_table([f"{path.stem}-{row:05}" for row in range(count)], labels=np.arange(count) % 2, split="train")
    return Dataset(path.stem, str(path), "kaggle", table, store)


def test_no_array_of_the_size_of_the_data_is_made(tmp_path: Path) -> None:
    dataset = _mapped(tmp_path / "pack.npy", 4000)
    size = 4000 * 96 * 96 * 3

    tracemalloc.start()
    data = gather([dataset], TrainingConfig())
    loader = BatchLoader(data.train, CONFIG, device=torch.device("cpu"), ahead=False)
    for step in range(3):
        loader.batch(np.arange(step, len(data.train), 90), step)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert len(data.train) + len(data.valid) > 2500
    assert peak < size / 10


def test_a_run_on_a_pack_has_the_weights_of_a_run_on_the_files_and_reads_only_batches(
    kaggle_folder: Callable[..., Path], tmp_path: Path, fresh_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = kaggle_folder({f"{number:03}": number % 2 for number in range(120)})
    config = CONFIG.with_changes(data=(str(folder),))
    files = create_run(config, tmp_path / "files")
    execute(files)
    make_pack(open_dataset(folder))
    asked = _count_loads(monkeypatch)

    packed = create_run(config, tmp_path / "packed")
    execute(packed)

    for name in ("metrics.csv", "predictions.csv", "test_predictions.csv", "patches.csv"):
        assert (packed.path / name).read_bytes() == (files.path / name).read_bytes()
    mine, theirs = (load_bundle(run.bundle_path).weights for run in (packed, files))
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in mine.items())
    assert asked.count(config.batch_size) >= packed.status().steps
    assert not isinstance(_train_pixels(packed, folder), np.ndarray)


def test_unreadable_patches_of_a_pack_are_left_out_without_reading_any(tmp_path: Path) -> None:
    one = _mapped(tmp_path / "one.npy", 100, r3="One is broken.", r4="Another is.")
    other = _mapped(tmp_path / "other.npy", 80)
    rows = np.arange(1, 80)
    joined = join([other, Dataset("some", "some", "kaggle", one.table.iloc[rows], RowStore(one.store, rows))])

    rows = np.array([81, 0, 82, 83])
    assert known_among(joined.store, rows, "unreadable") == {2: "One is broken.", 3: "Another is."}
    assert known_among(joined.store, rows, "notes") == {}
    data = gather([one], TrainingConfig())
    assert not {"one-00003", "one-00004"} & {*data.train.ids, *data.valid.ids}
    assert np.array_equal(data.train.pixels[np.array([5])], one.store.load([_row(data.train.ids[5])]).pixels)


def test_what_has_to_be_decoded_is_not_at_hand(kaggle_folder: Callable[..., Path]) -> None:
    files, array = open_dataset(kaggle_folder({"a": 0, "b": 1})), ArrayStore(np.zeros((2, 96, 96, 3), np.uint8))

    assert is_at_hand(RowStore(array, np.array([1])))
    assert not is_at_hand(files.store)
    assert not is_at_hand(RowStore(files.store, np.array([1])))
    patches = StoredPatches(array, np.array([1, 0]))
    assert (len(patches), patches.shape, patches.dtype) == (2, (2, 96, 96, 3), np.uint8)


def _row(patch_id: str) -> int:
    return int(patch_id.rpartition("-")[2])


def _train_pixels(run: Run, folder: Path) -> object:
    return gather([open_dataset(folder)], TrainingConfig(split=run.config().split)).train.pixels


def _count_loads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the list to which the number of patches of every reading of a pack is added from now on."""
    asked: list[int] = []
    original = PackedStore.load

    def counted(self: PackedStore, rows: np.ndarray) -> Loaded:
        asked.append(len(rows))
        return original(self, rows)

    monkeypatch.setattr(PackedStore, "load", counted)
    return asked
