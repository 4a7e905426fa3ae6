"""Patches that a small network learns in a moment."""

import numpy as np
import pytest

from core.data import ArrayStore, Dataset, make_table


@pytest.fixture(scope="session")
def coloured() -> Dataset:
    """A hundred patches whose label shows in the red of the centre, divided by hash."""
    random = np.random.default_rng(0)
    labels = np.arange(100) % 2
    pixels = random.integers(60, 200, (100, 96, 96, 3), dtype=np.uint8)
    pixels[labels == 1, 32:64, 32:64, 0] = 250
    table = make_table([f"patch-{number}" for number in range(100)], labels=labels, split="train")
    return Dataset("coloured", "coloured", "kaggle", table, ArrayStore(pixels))
