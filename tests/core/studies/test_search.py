"""Search: ranges, trials that are runs, pruning, and going on as if nothing had happened."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from core.data import Dataset
from core.errors import ConfigError
from core.runs import Augmentation, TrainingConfig
from core.runs.run import Run
from core.storage.home import runs_home
from core.studies.progress import progress_of
from core.studies.search import create_search, extend_search, search_result, work_on_search
from core.studies.search_space import SPACE, Axis, own_values, parse_axes
from core.studies.search_trials import axes_of
from core.studies.study import Study, list_studies
from core.training import trainer, validation

CONFIG = TrainingConfig(epochs=2, batch_size=16, learning_rate=2e-3, device="cpu")
OVER = ("learning_rate", "stain", "batch_size=8|16")
Opened = Callable[[pytest.MonkeyPatch, Dataset], None]


@pytest.fixture(scope="module")
def dataset(make_coloured: Callable[..., Dataset]) -> Dataset:
    """Sixty patches."""
    return make_coloured(60)


@pytest.fixture(autouse=True)
def _opened(fresh_home: Path, monkeypatch: pytest.MonkeyPatch, dataset: Dataset, opened_as: Opened) -> None:
    opened_as(monkeypatch, dataset)
    monkeypatch.setattr("core.training.execute.finish", lambda *_, **__: None)  # a trial is judged by its epochs


def _aucs(monkeypatch: pytest.MonkeyPatch, *aucs: Sequence[float]) -> None:
    """Let the epochs of trial n have the validation AUCs aucs[n]."""

    def score(self: trainer.Trainer) -> float:
        return aucs[int(self.run.name[-3:]) - 1][self.state.epoch]

    def end_epoch(self: trainer.Trainer) -> None:
        value = score(self)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(validation, "roc_auc_score", lambda *_: value)
            original(self)

    original = trainer.Trainer._end_epoch
    monkeypatch.setattr(trainer.Trainer, "_end_epoch", end_epoch)
    monkeypatch.setattr(trainer.Trainer, "_train_epoch", lambda self: self.state.losses.append(0.5))


def test_ranges_are_read_and_checked() -> None:
    axes = parse_axes(["learning_rate=1e-4:1e-3", "weight_decay", " batch_size=8|16 ", "optimiser"], CONFIG)

    assert axes == (
        Axis("learning_rate", 1e-4, 1e-3, log=True),
        SPACE["weight_decay"],
        Axis("batch_size", choices=(8, 16)),
        Axis("optimiser", choices=("adam", "adamw")),
    )
    assert [Axis.from_json(axis.to_json()) for axis in axes] == list(axes)
    assert axes[0].describe() == "0.0001 to 0.001, logarithmic"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["moon"], "no search over 'moon'"),
        ([], "none"),
        (["stain", "stain"], "each once"),
        (["stain=0.3:0.1"], "a lower and a higher end"),
        (["stain=a:b"], "LOW:HIGH"),
        (["stain=0:5"], "stain must be 0 to 1"),
        (["batch_size=1:9"], "choices and no range"),
        (["batch_size=16|16"], "two choices"),
        (["optimiser=adam|moon"], "optimiser must be one of"),
        (["learning_rate=0:1"], "above 0"),
    ],
)
def test_ranges_that_cannot_be_are_refused(words: list[str], found: str) -> None:
    with pytest.raises(ConfigError, match=found):
        create_search(CONFIG, over=words)
    assert list_studies() == []


def test_values_go_to_where_they_belong() -> None:
    config = CONFIG.with_changes(learning_rate=0.01, stain=0.2)
    assert config == CONFIG.with_changes(learning_rate=0.01, augmentation=Augmentation(stain=0.2))
    axes = parse_axes(OVER, CONFIG)
    assert own_values(CONFIG, axes) == {"learning_rate": 2e-3, "stain": 0.0, "batch_size": 16}
    assert own_values(CONFIG.with_changes(batch_size=20), axes) is None


def test_each_trial_is_a_run_and_the_first_is_the_settings_as_they_are() -> None:
    study = create_search(CONFIG, trials=2, over=OVER, name="find")
    assert work_on_search(study).state == "finished"
    first, second = search_result(study).trials

    assert (first.number, first.run, first.state, first.epochs) == (1, "find-trial-001", "finished", 2)
    assert first.values == {"learning_rate": 2e-3, "stain": 0.0, "batch_size": 16}
    for trial in (first, second):
        run = Run(runs_home() / trial.run)
        assert run.status().state == "finished"
        assert run.config() == study.config().with_changes(**trial.values)
        assert trial.auc == run.metrics()["valid_auc"].max()
        assert all(axis.holds(trial.values[axis.name]) for axis in axes_of(study))
    assert second.values != first.values
    assert progress_of(study).done == 2


def test_a_trial_behind_the_median_is_pruned_and_its_run_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.studies.search_trials.RANDOM_TRIALS", 2)
    _aucs(monkeypatch, (0.8, 0.9), (0.8, 0.9), (0.6, 0.95), (0.85, 0.99))
    study = create_search(CONFIG, trials=4, over=OVER, name="find")
    assert work_on_search(study).state == "finished"
    result = search_result(study)

    assert [each.state for each in result.trials] == ["finished", "finished", "pruned", "finished"]
    assert (result.trials[2].auc, result.trials[2].epochs) == (0.6, 1)
    assert result.best is not None
    assert (result.best.number, result.best.auc) == (4, 0.99)
    status = Run(runs_home() / "find-trial-003").status()
    assert status.state == "stopped"
    assert status.message.startswith("Pruned after epoch 1: its validation AUC was behind")
    assert progress_of(study).share == 1
    assert sum(result.importance.values()) == pytest.approx(1.0)


def test_a_training_that_fails_is_noted_and_the_search_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    step = trainer.Trainer._step

    def sometimes(self: trainer.Trainer, rows: np.ndarray) -> torch.Tensor:
        return torch.tensor(float("nan")) if self.run.name.endswith("001") else step(self, rows)

    monkeypatch.setattr(trainer.Trainer, "_step", sometimes)
    study = create_search(CONFIG, trials=2, over=OVER, name="find")
    assert work_on_search(study).state == "finished"
    assert [(each.state, each.auc is None) for each in search_result(study).trials] == [
        ("failed", True),
        ("finished", False),
    ]
    assert Run(runs_home() / "find-trial-001").status().state == "failed"


def _without_names(study: Study) -> list[tuple[object, ...]]:
    return [(each.number, each.state, each.values, each.auc, each.epochs) for each in search_result(study).trials]


def test_a_search_that_was_stopped_within_a_trial_goes_on_as_it_would_have(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = create_search(CONFIG, trials=3, over=OVER, name="whole")
    work_on_search(whole)
    study = create_search(CONFIG, trials=2, over=OVER, name="torn")
    after_step = trainer.Trainer._after_step

    def stopping(self: trainer.Trainer) -> None:
        if self.run.name == "torn-trial-002" and (self.state.epoch, self.state.step_in_epoch) == (1, 1):
            study.request_stop()
        after_step(self)

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Trainer, "_after_step", stopping)
        assert work_on_search(study).state == "cancelled"
    assert [each.state for each in search_result(study).trials] == ["finished", "unfinished"]
    study.withdraw_stop()
    extend_search(study, 3)

    assert work_on_search(study).state == "finished"

    assert _without_names(study) == _without_names(whole)
    for name in ("trial-001", "trial-002", "trial-003"):
        mine, theirs = (runs_home() / f"{each}-{name}" / "metrics.csv" for each in ("torn", "whole"))
        assert mine.read_bytes() == theirs.read_bytes()


def test_a_search_is_extended_and_never_shortened() -> None:
    study = create_search(CONFIG, trials=4, over=OVER, name="find")
    with pytest.raises(ConfigError, match="has 4 trials"):
        extend_search(study, 3)
    extend_search(study, 5)
    assert study.run_names()[-1] == "find-trial-005"
    for trials in (0, 1000):
        with pytest.raises(ConfigError, match="trials must be 1 to 999, got"):
            create_search(CONFIG, trials=trials)
    with pytest.raises(ConfigError, match="pruner must be one of"):
        create_search(CONFIG, pruner="luck")  # type: ignore[arg-type]
