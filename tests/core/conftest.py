"""Patches that a small network learns in a moment, and a run on them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.data import ArrayStore, Dataset, make_table
from core.runs import Augmentation, TrainingConfig, create_run
from core.runs.run import Run
from core.storage.home import HOME_VARIABLE
from core.training.execute import execute


@pytest.fixture(scope="session")
def make_coloured() -> Callable[..., Dataset]:
    """A function that returns patches whose label shows in the red of the centre: every second one is tumour.

    It takes how many, of how many slides (0: not known), how many more without a label, and whether the red is faint.
    """

    def make(count: int, *, slides: int = 0, unlabelled: int = 0, faint: bool = False) -> Dataset:
        random, total = np.random.default_rng(0), count + unlabelled
        tumour = (np.arange(total) % 2 == 1) & (np.arange(total) < count)
        pixels = random.integers(60, 200, (total, 96, 96, 3), dtype=np.uint8)
        if faint:
            pixels[tumour, 40:56, 40:56, 0] += 25
        else:
            pixels[tumour, 32:64, 32:64, 0] = 250
        table = make_table(
            [f"patch-{number}" for number in range(total)],
            labels=[*(np.arange(count) % 2), *[None] * unlabelled],
            split="train",
            slides=[f"slide-{number // 2 % slides}" for number in range(total)] if slides else None,
        )
        return Dataset("coloured", "coloured", "kaggle", table, ArrayStore(pixels))

    return make


@pytest.fixture(scope="session")
def coloured(make_coloured: Callable[..., Dataset]) -> Dataset:
    """A hundred of them, divided by hash."""
    return make_coloured(100)


@pytest.fixture(scope="session")
def opened_as() -> Callable[[pytest.MonkeyPatch, Dataset], None]:
    """A function that lets all that trains open one data set, whatever the settings say."""

    def patched(patch: pytest.MonkeyPatch, dataset: Dataset) -> None:
        places = ("training.execute", "training.data", "studies.cross_validation", "studies.study")
        for place in places:
            patch.setattr(f"core.{place}.open_dataset", lambda *_, **__: dataset)

    return patched


@pytest.fixture(scope="session")
def uninterrupted(
    tmp_path_factory: pytest.TempPathFactory,
    shared_home: Path,
    coloured: Dataset,
    opened_as: Callable[[pytest.MonkeyPatch, Dataset], None],
) -> Run:
    """A finished run of two epochs of four steps on them, with something of each that a resumed one has to restore."""
    config = TrainingConfig(
        epochs=2,
        batch_size=16,
        ema=0.9,
        augmentation=Augmentation(stain=0.1, brightness=0.05, rotation=10),
        schedule="one-cycle",
        device="cpu",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(shared_home))
        opened_as(patch, coloured)
        run = create_run(config, tmp_path_factory.mktemp("runs") / "whole")
        status = execute(run)
    assert (status.state, status.step, status.steps, status.epoch) == ("finished", 8, 8, 2)
    return run
