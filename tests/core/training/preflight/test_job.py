"""What is measured before a run starts, in a process of its own."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from core.commands import main
from core.errors import RunError
from core.job import JobStatus
from core.runs import TrainingConfig, preset
from core.training.preflight.cost import Estimate
from core.training.preflight.job import KEPT, Preflight, preflights_home
from core.training.preflight.lr_finder import curve_of

COST = Estimate(0.5, 26.0, 26.0, 1_200_000_000, None, 5_000_000, 52, 1680, 360, 12, "CPU, 1 thread")
RATES = np.geomspace(1e-5, 1.0, 40)
LOSSES = 1 - 0.5 / (1 + np.exp(-np.linspace(-6, 6, 40)))


@pytest.fixture
def launched(fresh_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A preflight is worked on in this process, and answers at once."""
    monkeypatch.setattr(Preflight, "launch", lambda self, words: main([*words, "--job", str(self.path)]))
    monkeypatch.setattr("core.training.preflight.job.estimate", lambda *_, **__: COST)
    monkeypatch.setattr("core.training.preflight.job.find_learning_rate", lambda *_, **__: curve_of(RATES, LOSSES))


def test_an_answer_is_there_after_the_trial_and_not_before(launched: None) -> None:
    config = TrainingConfig(epochs=20)
    cost, rate = Preflight.of("cost", config), Preflight.of("rate", config)
    assert (cost.cost(20), rate.rate()) == (None, None)

    cost.start(config)
    rate.start(config)

    found = cost.cost(20)
    assert found is not None
    assert {**asdict(found), "seconds": 26.0} == asdict(COST)
    assert found.seconds == 520.0
    curve = rate.rate()
    assert curve is not None
    assert curve.suggestion == curve_of(RATES, LOSSES).suggestion
    assert curve.rates.tolist() == RATES.tolist()


def test_settings_that_do_not_matter_make_no_other_trial(fresh_home: Path) -> None:
    config = preset("transfer")
    same = config.with_changes(epochs=99, patience=3, learning_rate=config.learning_rate / 2, schedule="constant")
    for kind in ("cost", "rate"):
        other = same.with_changes(head_learning_rate=(config.head_learning_rate or 0) / 2)
        assert Preflight.of(kind, other) == Preflight.of(kind, config)
        assert Preflight.of(kind, config.with_changes(batch_size=8)) != Preflight.of(kind, config)
    assert Preflight.of("cost", config).path != Preflight.of("rate", config).path
    assert Preflight.of("rate", same) != Preflight.of(
        "rate", config
    )  # the last layer's share of the rate is another one


def test_an_answer_of_an_earlier_attempt_is_gone_while_a_new_one_is_made(launched: None) -> None:
    config = TrainingConfig()
    preflight = Preflight.of("cost", config)
    preflight.start(config)
    preflight.write(JobStatus("cancelled"))

    assert preflight.cost(1) is None


def test_a_damaged_answer_is_said(launched: None) -> None:
    config = TrainingConfig()
    preflight = Preflight.of("cost", config)
    preflight.start(config)
    (preflight.path / "result.json").write_text(json.dumps({"seconds_per_epoch": 1}))

    with pytest.raises(RunError, match=r"result.json of the preflight cost-\w+ is damaged: .* measure again"):
        preflight.cost(3)


def test_only_the_newest_answers_are_kept(launched: None) -> None:
    for size in range(2, KEPT + 5):
        config = TrainingConfig(batch_size=size)
        Preflight.of("cost", config).start(config)

    assert len(list(preflights_home().iterdir())) == KEPT
    assert Preflight.of("cost", TrainingConfig(batch_size=KEPT + 4)).cost(1) is not None
