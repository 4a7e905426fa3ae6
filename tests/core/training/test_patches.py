"""Learning from some of the labelled patches: every part of a run obeys it, and nothing else changes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from core.bundle import load_bundle
from core.data import Dataset, open_dataset
from core.errors import ConfigError, DataError
from core.runs import Augmentation, TrainingConfig, create_run
from core.runs.run import Run
from core.scoring.dataset import select
from core.training import trainer
from core.training.data import gather
from core.training.execute import execute
from core.training.preflight.cost import estimate
from core.training.preflight.job import Preflight
from core.training.preflight.lr_finder import find_learning_rate
from core.training.preflight.sample import draw_sample


@pytest.fixture
def folder(kaggle_folder: Callable[..., Path]) -> Path:
    return kaggle_folder({f"{number:03}": number % 2 for number in range(120)}, test=("a", "b", "c"))


def _config(folder: Path, **changes: object) -> TrainingConfig:
    plain = TrainingConfig(
        data=(str(folder),), epochs=2, batch_size=8, augmentation=Augmentation(stain=0.1), patches=40, device="cpu"
    )
    return plain.with_changes(**changes)


def test_fewer_train_and_the_other_parts_stay(folder: Path) -> None:
    dataset = open_dataset(folder)
    whole, half, few = (gather([dataset], TrainingConfig(patches=patches)) for patches in (0, 40, 20))

    assert (len(half.train), len(few.train)) == (40, 20)
    assert set(few.train.ids) < set(half.train.ids) < set(whole.train.ids)
    assert few.valid.ids.tolist() == whole.valid.ids.tolist()
    assert few.test(0).ids.tolist() == whole.test(0).ids.tolist()
    assert few.sources[0].provenance()["patches"] == {
        "train": 20, "valid": len(whole.valid), "test": len(whole.test(0)),
    }  # fmt: skip
    assert set(few.split_table().query("part == 'train'")["id"]) == set(few.train.ids)


def test_unlabelled_patches_do_not_count(folder: Path) -> None:
    dataset = open_dataset(folder)

    training_data = gather([dataset], TrainingConfig(patches=20, unlabelled=True, teachers=("a.safetensors",)))

    assert training_data.train.ids.tolist() == [*gather([dataset], TrainingConfig(patches=20)).train.ids, "a", "b", "c"]


def test_further_data_sets_are_used_whole(folder: Path, kaggle_folder: Callable[..., Path]) -> None:
    other = open_dataset(kaggle_folder({f"o{number:02}": number % 2 for number in range(40)}, name="other"))
    single = len(gather([other], TrainingConfig()).train)

    training_data = gather([open_dataset(folder), other], TrainingConfig(patches=20))

    assert [source.provenance()["patches"]["train"] for source in training_data.sources] == [20, single]
    assert sum(str(each).startswith("o") for each in training_data.train.ids) == single


def test_any_data_set_may_validate_and_keeps_its_own_split(folder: Path, make_coloured: Callable[..., Dataset]) -> None:
    first, other = open_dataset(folder), make_coloured(40)
    own = other.table.assign(split=["valid" if number % 4 < 2 else "train" for number in range(40)])
    other = replace(other, name="other", table=own)
    config = TrainingConfig(data=("a", "b"), validation_data=2)

    training_data = gather([first, other], config)

    assert training_data.valid.ids.tolist() == other.table["id"][own["split"] == "valid"].tolist()
    assert set(training_data.train.ids) & set(other.table["id"]) == set(other.table["id"][own["split"] == "train"])
    assert [source.rule.kind for source in training_data.sources] == ["hashed", "official"]
    assert len(training_data.test(1)) == 0  # it came without
    assert training_data.sources[training_data.validates].dataset is other
    # Without a word it is divided as ever, and the first one validates.
    plain = gather([first, other], TrainingConfig(data=("a", "b")))
    assert plain.sources[1].rule.kind == "hashed"
    assert set(plain.valid.ids) <= set(first.table["id"])


def test_a_data_set_that_is_not_there_cannot_validate() -> None:
    with pytest.raises(ConfigError, match="validation_data is 2, but there is one data set"):
        TrainingConfig(validation_data=2)


def test_folds_are_thinned_too(folder: Path) -> None:
    dataset = open_dataset(folder)
    folds = [gather([dataset], TrainingConfig(split="stratified", folds=3, fold=fold, patches=30)) for fold in range(3)]

    assert [len(each.train) for each in folds] == [30, 30, 30]
    assert sorted(np.concatenate([each.test(0).ids for each in folds])) == [f"{number:03}" for number in range(120)]


def test_what_is_tried_before_the_start_obeys_it(folder: Path) -> None:
    config = _config(folder)
    drawn = draw_sample(config)

    assert drawn.train == 40
    assert set(drawn.patches.ids) == set(gather([open_dataset(folder)], TrainingConfig(patches=40)).train.ids)
    found = estimate(config)
    assert (found.train, found.steps_per_epoch) == (40, 5)
    assert len(find_learning_rate(config, steps=15).losses) == 15
    assert Preflight.of("cost", config).path != Preflight.of("cost", config.with_changes(patches=0)).path


def test_a_run_tells_it_and_goes_on_as_if_nothing_had_happened(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = create_run(_config(folder), tmp_path / "whole")
    execute(whole)
    stopped = create_run(_config(folder), tmp_path / "stopped")
    with monkeypatch.context() as patch:
        _stop_in_step(3, stopped, patch)
        assert execute(stopped).state == "stopped"
    assert execute(stopped).state == "finished"

    training = load_bundle(whole.bundle_path).card.training
    assert training["data"][0]["patches"]["train"] == training["config"]["patches"] == 40
    assert whole.status().steps == 2 * 40 // 8
    learnt = pd.read_csv(whole.path / "split.csv", dtype=str).query("part == 'train'")["id"]
    assert len(learnt) == 40
    dataset = open_dataset(folder)
    rows, _ = select(load_bundle(whole.bundle_path), dataset, "train")
    assert dataset.table["id"].iloc[rows].tolist() == learnt.tolist()
    for name in ("metrics.csv", "predictions.csv", "test_predictions.csv", "split.csv"):
        assert (whole.path / name).read_bytes() == (stopped.path / name).read_bytes()
    mine, theirs = (load_bundle(run.bundle_path).weights for run in (whole, stopped))
    assert all(torch.equal(value, theirs[name]) for name, value in mine.items())


def test_more_than_there_are_fails_with_their_number(folder: Path, tmp_path: Path) -> None:
    train = len(gather([open_dataset(folder)], TrainingConfig()).train)
    run = create_run(_config(folder, patches=119), tmp_path / "run")

    with pytest.raises(DataError, match=f"has {train} labelled training patches"):
        execute(run)

    assert run.status().state == "failed"
    assert f"Choose at most {train}" in run.status().message


def _stop_in_step(step: int, run: Run, patch: pytest.MonkeyPatch) -> None:
    real = trainer.Trainer._after_step

    def counted(self: trainer.Trainer) -> None:
        if self._done() == step:
            run.request_stop()
        real(self)

    patch.setattr(trainer.Trainer, "_after_step", counted)
