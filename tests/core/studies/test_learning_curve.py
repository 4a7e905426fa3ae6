"""Learning curves: nested sizes on the same test patches, and going on as if nothing had happened."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.bundle import load_bundle
from core.data import Dataset
from core.errors import ConfigError, DataError, RunError
from core.evaluation import compare
from core.job import JobStatus
from core.runs import Augmentation, TrainingConfig
from core.storage.home import HOME_VARIABLE, runs_home
from core.studies.learning_curve import (
    conclusion,
    create_curve,
    curve_result,
    curve_runs,
    extend_curve,
    parse_size,
    work_on_curve,
)
from core.studies.progress import progress_of
from core.studies.study import Study, list_studies, open_study
from core.training import trainer
from core.training.data import divide
from core.training.predictions import test_predictions as predictions_of

CONFIG = TrainingConfig(epochs=1, batch_size=16, augmentation=Augmentation(stain=0.1), split_seed=9, device="cpu")
Opened = Callable[[pytest.MonkeyPatch, Dataset], None]
LABELLED = 126
"""Its training patches under the default split, seed 9."""


@pytest.fixture(scope="module")
def dataset(make_coloured: Callable[..., Dataset]) -> Dataset:
    """200 patches of 40 slides, hard enough that more of them help; two more have no label."""
    return make_coloured(200, slides=40, unlabelled=2, faint=True)


@pytest.fixture(autouse=True)
def _opened(fresh_home: Path, monkeypatch: pytest.MonkeyPatch, dataset: Dataset, opened_as: Opened) -> None:
    opened_as(monkeypatch, dataset)


@pytest.fixture(scope="module")
def finished_home(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset, opened_as: Opened) -> Path:
    """A home with the finished study "whole": two sizes, two seeds."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(home))
        opened_as(patch, dataset)
        assert work_on_curve(create_curve(CONFIG, sizes=(32, "all"), seeds=2, name="whole")).state == "finished"
    return home


@pytest.fixture
def whole(finished_home: Path, _opened: None, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setenv(HOME_VARIABLE, str(finished_home))
    return open_study("whole")


def _part(run: str, part: str) -> set[str]:
    table = pd.read_csv(runs_home() / run / "split.csv")
    return set(table.loc[table["part"] == part, "id"])


def test_the_smaller_sizes_are_among_the_larger_and_the_other_parts_are_the_same(whole: Study) -> None:
    names = [f"whole-{size}-patches-seed-0" for size in (32, LABELLED)]
    train = [_part(name, "train") for name in names]

    assert [len(each) for each in train] == [32, LABELLED]
    assert train[0] < train[1]
    assert [len(_part(names[0], part)) for part in ("valid", "test")] == [24, 50]
    for part in ("valid", "test"):
        assert _part(names[0], part) == _part(names[1], part)
    assert _part("whole-32-patches-seed-1", "train") == train[0]  # another seed trains on the same patches
    cards = [load_bundle(run.bundle_path).card.training for run in whole.runs()]
    assert [card["data"][0]["patches"]["train"] for card in cards] == [32, LABELLED] * 2


def test_each_size_gets_the_steps_of_the_largest() -> None:
    config = CONFIG.with_changes(epochs=2, patience=1)
    study = create_curve(config, sizes=(32, 64, "all"), name="mine")

    # 126 patches in batches of 16 are 7 steps an epoch, 64 are 4, 32 are 2
    assert study.settings()["stretch"] == [3.5, 1.75, 1.0]
    found = [
        (each.patches, each.epochs, each.patience, each.plateau_patience, each.frozen_epochs)
        for _, each in curve_runs(study)
    ]
    assert found == [(32, 7, 4, 70, 0), (64, 4, 2, 35, 0), (LABELLED, 2, 1, 20, 0)]
    assert study.run_names() == ("mine-32-patches", "mine-64-patches", f"mine-{LABELLED}-patches")


def test_epochs_can_be_the_same_instead_and_few_patches_are_not_seen_for_ever() -> None:
    same = create_curve(CONFIG.with_changes(epochs=2), sizes=(32, "all"), equal="epochs")
    few = create_curve(CONFIG.with_changes(epochs=2, batch_size=2), sizes=(3, "all"), name="few")

    assert [config.epochs for _, config in curve_runs(same)] == [2, 2]
    # 63 steps against 1 would be 75 times the epochs
    assert [config.epochs for _, config in curve_runs(few)] == [40, 2]


def test_without_sizes_they_are_an_eighth_a_quarter_a_half_and_all() -> None:
    assert create_curve(CONFIG).settings()["sizes"] == [15, 31, 63, LABELLED]


def test_sizes_are_sorted_and_the_same_one_counts_once() -> None:
    study = create_curve(CONFIG, sizes=("all", 64, 32, 64, LABELLED), name="mine")

    assert study.settings()["sizes"] == [32, 64, LABELLED]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"sizes": (32, LABELLED + 1)}, DataError, f"coloured has {LABELLED} labelled training patches"),
        ({"sizes": ("all",)}, ConfigError, "2 to 12 different sizes, got 1"),
        ({"sizes": tuple(range(30, 43))}, ConfigError, "got 13"),
        ({"sizes": (0, 32)}, ConfigError, "at least 2 patches"),
        ({"seeds": 0}, ConfigError, "seeds must be 1 to 20, got 0"),
        ({"seeds": 21}, ConfigError, "seeds must be 1 to 20, got 21"),
        ({"equal": "minutes"}, ConfigError, "equal must be one of steps, epochs, got 'minutes'"),
    ],
)
def test_what_cannot_be_is_said_and_leaves_nothing(
    arguments: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        create_curve(CONFIG, **arguments)  # type: ignore[arg-type]
    assert list_studies() == []


def test_a_size_needs_both_classes(dataset: Dataset) -> None:
    refused = set()
    for seed in range(6):
        parts = divide([dataset], TrainingConfig(split_seed=seed, patches=2))[0].splits
        config = CONFIG.with_changes(split_seed=seed)
        has_both = len(set(dataset.labels(np.flatnonzero(parts == "train")))) == 2
        if has_both:
            assert create_curve(config, sizes=(2, "all"), name=f"seed-{seed}").settings()["sizes"][0] == 2
        else:
            with pytest.raises(DataError, match="the 2 patches of a size have one class only"):
                create_curve(config, sizes=(2, "all"))
        refused.add(has_both)
    assert refused == {True, False}


def test_words_become_sizes() -> None:
    assert [parse_size(word) for word in ("1000", "ALL")] == [1000, "all"]
    with pytest.raises(ConfigError, match="such as 2000, or all, got 'many'"):
        parse_size("many")


def test_the_result_holds_what_the_runs_measured(whole: Study) -> None:
    result = curve_result(whole)

    assert [(each.size, each.seed) for each in result.trained] == [
        (32, 0), (LABELLED, 0), (32, 1), (LABELLED, 1),
    ]  # fmt: skip
    assert [(each.epochs, each.steps) for each in result.trained[:2]] == [(4, 8), (1, 7)]
    for each, run in zip(result.trained, whole.runs(), strict=True):
        card = load_bundle(run.bundle_path).card
        assert each.run == run.name
        assert each.evaluation == card.measured[0].evaluation
        assert each.epoch_kept == card.training["epoch_kept"]
    point = result.points[0]
    aucs = [each.evaluation.metrics["auc"].value for each in point.runs]
    assert point.metric("auc").value == pytest.approx(sum(aucs) / 2)
    assert point.spread("auc") == (min(aucs), max(aucs))
    table = result.table()
    assert table["patches"].tolist() == [32, LABELLED] * 2
    assert table["auc"].tolist() == [each.evaluation.metrics["auc"].value for each in result.trained]


def test_gains_are_paired_over_slides_at_each_models_threshold(whole: Study, dataset: Dataset) -> None:
    result = curve_result(whole)
    small, large = result.trained[:2]
    predictions = [predictions_of(run) for run in whole.runs()[:2]]
    slides = dataset.table.set_index("id")["slide"]
    by_hand = compare(
        predictions[1]["label"],
        predictions[1]["probability"],
        predictions[0]["probability"],
        groups=predictions[1]["id"].map(slides),
        threshold=large.evaluation.threshold,
        second_threshold=small.evaluation.threshold,
    )

    gain = result.gain_to(LABELLED)
    assert gain is not None
    assert (gain.before, gain.after, gain.n) == (32, LABELLED, 50)
    assert gain.differences["auc"][0] == by_hand["auc"]
    assert gain.differences["accuracy"][0] == by_hand["accuracy"]
    assert len(gain.differences["auc"]) == 2
    assert len(result.gains) == 1
    assert conclusion(whole)[0] == gain.sentence()
    assert conclusion(whole)[1].endswith("in the 2 seeds.")
    assert "drawn from the same slides" in conclusion(whole)[2]


def _stop_in_step(step: int, patch: pytest.MonkeyPatch) -> None:
    """Ask for a stop in the given step of the first run that gets there."""
    real = trainer.Trainer._after_step

    def counted(self: trainer.Trainer) -> None:
        if self.run.name.endswith(f"{LABELLED}-patches-seed-0") and self._done() == step:
            open_study("torn").request_stop()
        real(self)

    patch.setattr(trainer.Trainer, "_after_step", counted)


def test_a_curve_that_was_stopped_goes_on_to_the_same_result(whole: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = json.loads((whole.path / "results.json").read_text().replace("whole-", "torn-"))
    study = create_curve(CONFIG, sizes=(32, "all"), seeds=2, name="torn")
    with monkeypatch.context() as patch:
        _stop_in_step(3, patch)
        assert work_on_curve(study).state == "cancelled"
    assert [run.status().state for run in study.runs()] == ["finished", "stopped"]
    assert len(curve_result(study).trained) == 1
    assert conclusion(study) == ()
    assert progress_of(study).done == 1

    study.withdraw_stop()
    assert work_on_curve(study).state == "finished"

    assert json.loads((study.path / "results.json").read_text()) == expected
    assert progress_of(study).share == 1.0


def test_other_test_patches_are_not_compared(whole: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    path = runs_home() / f"whole-{LABELLED}-patches-seed-1" / "test_predictions.csv"
    text = path.read_text()
    try:
        path.write_text("\n".join(text.splitlines()[:-1]) + "\n")
        with pytest.raises(RunError, match="were tested on different patches"):
            work_on_curve(whole)
    finally:
        path.write_text(text)
        whole.write(JobStatus("finished", 1.0))


def test_a_curve_that_gets_another_seed_comes_to_what_it_would_have_with_both(
    whole: Study, fresh_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = curve_result(whole)
    monkeypatch.setenv(HOME_VARIABLE, str(fresh_home))
    study = create_curve(CONFIG, sizes=(32, "all"), name="grown")
    assert work_on_curve(study).state == "finished"
    first = [(run.bundle_path, run.bundle_path.stat().st_mtime_ns) for run in study.runs()]

    extend_curve(study, 2)

    assert study.run_names() == (
        "grown-32-patches", f"grown-{LABELLED}-patches", "grown-32-patches-seed-1", f"grown-{LABELLED}-patches-seed-1",
    )  # fmt: skip
    assert (progress_of(study).done, progress_of(study).total) == (2, 4)
    assert work_on_curve(study).state == "finished"
    assert [(path, path.stat().st_mtime_ns) for path, _ in first] == first  # what was trained stays as it was
    result = curve_result(study)
    assert result.gains == expected.gains
    assert [(each.size, each.seed, each.evaluation) for each in result.trained] == [
        (each.size, each.seed, each.evaluation) for each in expected.trained
    ]
    assert conclusion(study) == conclusion(whole)


def test_a_curve_is_never_shortened_nor_extended_while_it_works_or_over_other_runs() -> None:
    study = create_curve(CONFIG, sizes=(32, "all"), seeds=2, name="mine")
    for seeds in (1, 21):
        with pytest.raises(
            ConfigError, match=r"mine trains each size with 2 seed\(s\), and they stay: seeds must be 2 to 20"
        ):
            extend_curve(study, seeds)
    (runs_home() / "mine-32-patches-seed-2").mkdir(parents=True)
    with pytest.raises(RunError, match="mine-32-patches-seed-2 is there already"):
        extend_curve(study, 3)
    study.write(JobStatus("running"))
    study.record_process(os.getpid())
    with pytest.raises(RunError, match="The learning curve mine is being worked on"):
        extend_curve(study, 2)
    assert (study.settings()["seeds"], len(study.run_names())) == ([0, 1], 4)
