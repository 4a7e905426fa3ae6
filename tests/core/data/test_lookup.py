"""A picture is found among the patches of a data set by its pixels."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.data import lookup as lookup_module
from core.data import open_dataset
from core.data.lookup import pixel_digests, row_of
from core.data.quality import make_check


@pytest.mark.parametrize("checked", [False, True])
def test_the_row_with_the_same_pixels_is_found(
    kaggle_folder: Callable[..., Path], fresh_home: Path, monkeypatch: pytest.MonkeyPatch, checked: bool
) -> None:
    folder = kaggle_folder({"a": 0, "b": 1, "c": 1})
    (folder / "train" / "b.tif").write_bytes(b"no image")
    if checked:  # then no patch is read
        make_check(str(folder))
        monkeypatch.setattr(lookup_module, "MOST", 0)
    dataset = open_dataset(folder)
    digests = pixel_digests(dataset)
    assert digests is not None
    patch = dataset.store.load([2]).pixels[0]
    assert row_of(dataset, digests, patch) == 2
    other = patch.copy()
    other[0, 0, 0] ^= 1
    assert row_of(dataset, digests, other) is None
    assert row_of(dataset, np.repeat(digests[2], 3), other) is None  # the digest alone is no proof


def test_a_large_data_set_is_not_read_for_it(
    kaggle_folder: Callable[..., Path], fresh_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup_module, "MOST", 1)
    assert pixel_digests(open_dataset(kaggle_folder({"a": 0, "b": 1}))) is None
