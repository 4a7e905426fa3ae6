"""A home folder of Nodescope 0.1 stays readable: `data/home-0.1.tar.xz`.

Version 0.1.0 made it from 50 labelled and 6 unlabelled patches of 10 slides: a finished run (preset "notebook"), one
that was stopped in its second epoch, one in the trash, a cross-validation of two folds, a learning curve, a search of
two trials, a pack with its check, decisions about three patches, a saved split, and stored predictions, a ranking of
labels and a map by the finished run's bundle. Afterwards the weights in checkpoints and bundles were replaced by
constants of the same names, shapes and types, so that the archive is small, and only then was anything predicted.
"""

import json
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from core.bundle import load_bundle
from core.commands import main
from core.data import Decision, assign, choose_rule, open_dataset, pack_folder
from core.data.decisions import decisions_of
from core.data.pack import find_pack, is_stale
from core.data.quality import findings, load_check
from core.data.split_file import apply_split, load_split, saved_splits
from core.data.store import read
from core.features.embedding import load_embedding
from core.features.label_errors import load_label_issues, probe_key
from core.prediction import Predictor
from core.runs import find_run, list_runs
from core.scoring.store import load_scores
from core.storage.home import HOME_VARIABLE
from core.studies.cross_validation import folds_result, out_of_fold
from core.studies.learning_curve import curve_result
from core.studies.search import search_result
from core.studies.study import list_studies, open_study
from core.studies.trash import list_trash, restore
from core.training.execute import execute

ARCHIVE = Path(__file__).parent / "data" / "home-0.1.tar.xz"
FINISHED, STOPPED, TRASHED = "20251101-120000-notebook", "20251101-140000-stopped", "20251101-130000-mistake"
DIGEST = "6c5a87148065"
DUPLICATES = {"3de9bba1b8a18b99d784f5459914111d7968f821", "f43a052bff66a43de6f8730009b484734f724135"}
EXCLUDED, RELABELLED = "687e1ee95106b6209c71bb3c52b742373440359c", "7c45adf751537edefc1aeef50d5c388c48eabd6f"


@dataclass(frozen=True)
class Earlier:
    """The unpacked home folder and its data set.

    Attributes:
        home: the folder.
        data: path of the data set, as it is given to pages and commands.
    """

    home: Path
    data: str

    @property
    def bundle_path(self) -> Path:
        """The bundle of the finished run."""
        return self.home / "runs" / FINISHED / "bundle.safetensors"


@pytest.fixture
def earlier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Earlier:
    """Unpack the home folder and its data, and let it be the one in use."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    home, data = tmp_path / "home", tmp_path / "patches"
    monkeypatch.setenv(HOME_VARIABLE, str(home))
    # Both lay in /data. Settings hold the path, and packs are filed under a digest of it.
    for path in home.rglob("*"):
        if path.suffix in (".json", ".csv", ".txt"):
            text = path.read_text("utf-8")
            if "/data/" in text:
                path.write_text(text.replace("/data/patches", str(data)).replace("/data/home", str(home)), "utf-8")
    (pack,) = (home / "packs").iterdir()
    shutil.move(pack, pack_folder(str(data)))
    return Earlier(home, str(data))


def test_runs_have_the_states_metrics_and_notes_that_they_had(earlier: Earlier) -> None:
    states = {run.name: run.status().state for run in list_runs()}
    studies = (
        "two-folds-fold-1", "two-folds-fold-2", "few-patches-8-patches", "few-patches-16-patches",
        "two-trials-trial-001", "two-trials-trial-002",
    )  # fmt: skip
    assert states == {FINISHED: "finished", STOPPED: "stopped", **dict.fromkeys(studies, "finished")}
    run = find_run(FINISHED)
    assert run.notes() == "First try.\n"
    assert run.config().preset == "notebook"
    assert run.config().augmentation.rotation == 45
    row = run.metrics().iloc[0]
    assert (row["epoch"], row["valid_auc"], row["valid_accuracy"]) == (1, 1.0, 0.6)
    assert row["train_loss"] == 0.6992812603712082
    assert len(run.patches()) == 5
    assert len(run.speed()) == 1


def test_a_stopped_run_goes_on_to_its_end(earlier: Earlier) -> None:
    run = find_run(STOPPED)
    before, split = run.metrics(), (run.path / "split.csv").read_bytes()
    assert (run.status().epoch, run.status().step, run.status().steps) == (2, 6, 12)
    assert execute(run).state == "finished"
    after = run.metrics()
    assert after["epoch"].to_list() == [1, 2, 3]
    assert after.iloc[:1].equals(before)
    assert (run.path / "split.csv").read_bytes() == split
    assert run.notes() == "Stopped for the night.\n"
    card = load_bundle(run.bundle_path).card
    assert card.training["data"][0]["patches"] == {"train": 35, "valid": 5, "test": 10}


def test_a_run_comes_back_from_the_trash(earlier: Earlier) -> None:
    assert [(each.name, each.is_study, each.runs) for each in list_trash()] == [(TRASHED, False, 1)]
    restore(TRASHED)
    assert not list_trash()
    assert find_run(TRASHED).status().state == "finished"
    assert find_run(TRASHED).config().patches == 16


def test_studies_and_their_results_are_read(earlier: Earlier) -> None:
    assert {study.name: (study.kind, study.status().state) for study in list_studies()} == {
        "two-folds": ("folds", "finished"), "few-patches": ("curve", "finished"), "two-trials": ("search", "finished"),
    }  # fmt: skip
    folds = folds_result(open_study("two-folds"))
    assert folds is not None
    assert [fold.evaluation.n for fold in folds.folds] == [20, 30]
    assert folds.pooled.metrics["auc"].value == pytest.approx(0.4008)
    table = out_of_fold(open_study("two-folds"))
    assert len(table) == 50
    assert table["fold"].value_counts().to_dict() == {1: 20, 2: 30}
    trained = curve_result(open_study("few-patches")).trained
    assert [(each.size, each.epochs, each.evaluation.metrics["auc"].value) for each in trained] == [
        (8, 2, 0.125), (16, 1, 0.875),
    ]  # fmt: skip
    trials = search_result(open_study("two-trials")).trials
    assert [(each.values, each.auc) for each in trials] == [
        ({"learning_rate": 0.0003}, 1.0), ({"learning_rate": 0.008839874534247043}, 1.0),
    ]  # fmt: skip


def test_a_search_is_extended_with_what_it_remembers(earlier: Earlier) -> None:
    before = search_result(open_study("two-trials")).trials
    assert main(["search", "--resume", "two-trials", "--trials", "3"]) == 0
    after = search_result(open_study("two-trials")).trials
    assert after[:2] == before
    assert after[2].run == "two-trials-trial-003"
    assert after[2].state == "finished"


def test_the_pack_is_used_as_it_is(earlier: Earlier) -> None:
    about = pack_folder(earlier.data) / "about.json"
    before = about.read_bytes()
    dataset = open_dataset(earlier.data, decisions="none")
    pack = find_pack(dataset)
    assert pack is not None
    assert pack.count == len(dataset) == 56
    assert not is_stale(dataset)
    assert type(dataset.store).__name__ == "PackedStore"
    files = open_dataset(earlier.data, raw=True)
    assert type(files.store).__name__ == "FileStore"
    assert np.array_equal(read(dataset.store, range(56)), read(files.store, range(56)))
    assert dataset.table["id"].to_list() == files.table["id"].to_list()
    assert dataset.class_counts() == (25, 25)
    assert dataset.table["slide"].nunique() == 10
    assert main(["pack", earlier.data]) == 0
    assert about.read_bytes() == before


def test_the_check_is_read(earlier: Earlier) -> None:
    dataset = open_dataset(earlier.data, decisions="none")
    check = load_check(dataset)
    assert check is not None
    table = findings(check, dataset, assign(dataset, choose_rule(dataset, "default")))
    ids = dataset.table["id"]
    assert set(ids[table["duplicate"].to_numpy()]) == set(ids[table["conflict"].to_numpy()]) == DUPLICATES
    assert ids[table["blurred"].to_numpy()].to_list() == ["ce333b5f2fdeae73510efb067c5ec40fe1fd8d38"]
    assert not table["unreadable"].any()
    assert not table["leak"].any()


def test_decisions_are_obeyed(earlier: Earlier) -> None:
    assert decisions_of(earlier.data) == {
        "5a00657b7a7f3b1dda16fe805f1469edc9d0d35e": Decision("fine"),
        EXCLUDED: Decision("exclude", None, "folded tissue"),
        RELABELLED: Decision("relabel", 0, "looked at twice"),
    }
    dataset = open_dataset(earlier.data)
    assert len(dataset) == 55
    assert EXCLUDED not in set(dataset.table["id"])
    assert dataset.table.set_index("id")["label"][RELABELLED] == 0
    assert dataset.decided is not None
    assert (dataset.decided.excluded, dataset.decided.relabelled) == (1, 1)
    assert dataset.fingerprint() == "74ec89aed996d767"


def test_a_saved_split_gives_the_same_parts(earlier: Earlier) -> None:
    (path,) = saved_splits()
    assert path.name == "slides-seed-3.json"
    dataset = open_dataset(earlier.data, decisions="none")
    parts = apply_split(load_split(path), dataset)
    assert dict(zip(*np.unique(parts, return_counts=True), strict=True)) == {"": 6, "test": 15, "train": 30, "valid": 5}


def test_stored_predictions_are_read_and_are_those_of_the_bundle(earlier: Earlier) -> None:
    bundle, dataset = load_bundle(earlier.bundle_path), open_dataset(earlier.data)
    assert bundle.digest == DIGEST
    assert bundle.card.name == FINISHED
    assert bundle.card.model == "notebook-cnn"
    assert bundle.card.threshold == pytest.approx(0.4006, abs=1e-4)
    assert bundle.card.operating is not None
    assert [each.split for each in bundle.card.measured] == ["test", "valid"]
    scored = load_scores(bundle, dataset, "all")
    assert scored is not None
    assert len(scored) == 49
    assert scored.appearance is not None
    assert scored.evaluation(bundle.card.threshold).confusion.tp == 23
    assert scored.evaluation(bundle.card.threshold).metrics["auc"].value == pytest.approx(0.955, abs=1e-3)
    assert scored.logits[:5] == pytest.approx([2.053488, 1.760832, -1.405193, -2.043468, 2.261177], abs=1e-6)
    again = Predictor(bundle, device="cpu").predict(read(dataset.store, scored.rows))
    assert again.logits == pytest.approx(scored.logits, abs=1e-3)
    kept = load_scores(bundle, dataset, "auto")
    assert kept is not None
    assert len(kept) == 10


def test_the_ranking_of_labels_and_the_map_are_read(earlier: Earlier) -> None:
    bundle, dataset = load_bundle(earlier.bundle_path), open_dataset(earlier.data)
    found = load_label_issues(dataset, probe_key(bundle))
    assert found is not None
    assert len(found.ids) == 49
    assert found.fingerprint == dataset.fingerprint()
    assert found.table()["id"][0] == "1a89d611b1903f0db3d143fe5d96a88ab38dd2dc"
    embedding = load_embedding(dataset, bundle)
    assert embedding is not None
    assert len(embedding.ids) == 56


def test_commands_and_options_keep_their_earlier_names(
    earlier: Earlier, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["folds", "--resume", "two-folds"]) == 0
    assert main(["curve", "--resume", "few-patches"]) == 0
    bundle = ["--bundle", str(earlier.bundle_path)]
    out = tmp_path / "ranking.csv"
    assert main(["errors", "--data", earlier.data, *bundle, "--out", str(out)]) == 0
    assert len(out.read_text().splitlines()) == 50
    capsys.readouterr()
    patch = next((Path(earlier.data) / "train").glob("1ad8943c*.tif"))
    assert main(["predict", "--turns", *bundle, str(patch)]) == 0
    assert "1ad8943cde7a1e0b9558742875fc24df441c4dd8" in capsys.readouterr().out
    for words in (["lr", "--steps", "5"], ["get", "pcam", str(tmp_path)]):
        assert main([*words, "--help"]) == 0  # options before --help are read
        assert "usage" in capsys.readouterr().out.lower()


def test_commands_read_what_is_stored(earlier: Earlier, capsys: pytest.CaptureFixture[str]) -> None:
    scores = earlier.home / "scores" / DIGEST / "74ec89aed996d767-all.npz"
    before = scores.stat().st_mtime_ns
    arguments = ["evaluate", "--data", earlier.data, "--bundle", str(earlier.bundle_path), "--split", "all", "--json"]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n"], found["positives"], found["digest"]) == (49, 24, DIGEST)
    assert found["figures"]["accuracy"]["value"] == pytest.approx(47 / 49)
    assert scores.stat().st_mtime_ns == before
