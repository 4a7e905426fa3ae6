"""A submission in a process of its own: checked against the sample, of one bundle or several."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.bundle import Bundle
from core.commands import main
from core.data import Dataset, open_dataset
from core.data.dataset import make_table
from core.data.store import Loaded
from core.errors import DataError
from core.prediction import Predictor
from core.prediction.predictor import Predictions
from core.scoring import chunks
from core.scoring.job import SubmissionJob
from core.scoring.kaggle import TestScores, score_test, submission

TEST = 57_458


@pytest.fixture
def folder(kaggle_folder: Callable[..., Path], fresh_home: Path) -> Path:
    path = kaggle_folder({"a": 0, "b": 1}, test=("t1", "t2", "t3"))
    (path / "sample_submission.csv").write_text("id,label\nt3,0\nt1,0\nt2,0\n")
    return path


def test_a_job_leaves_the_ids_of_the_sample_in_its_order(folder: Path, tiny_bundle: Bundle) -> None:
    dataset, predictor = open_dataset(str(folder)), Predictor(tiny_bundle, device="cpu")
    job = SubmissionJob.of([tiny_bundle.digest], dataset)
    assert job.run(predictor, dataset).state == "finished"
    rows = list(csv.DictReader(job.text_path.read_text().splitlines()))
    by_id = dict(zip(dataset.table["id"], range(len(dataset.table)), strict=True))
    expected = predictor.predict(dataset.store.load([by_id[name] for name in ("t3", "t1", "t2")]).pixels).probabilities
    assert [row["id"] for row in rows] == ["t3", "t1", "t2"]
    assert [float(row["label"]) for row in rows] == expected.tolist()


def test_an_id_without_a_patch_is_its_last_word_and_leaves_no_file(folder: Path, tiny_bundle: Bundle) -> None:
    with (folder / "sample_submission.csv").open("a") as file:
        file.write("t9,0\n")
    dataset = open_dataset(str(folder))
    job = SubmissionJob.of([tiny_bundle.digest], dataset)
    with pytest.raises(DataError, match="1 of the 4 ids"):
        job.run(Predictor(tiny_bundle, device="cpu"), dataset)
    assert job.status().state == "failed"
    assert "such as t9" in job.status().message
    assert not job.text_path.exists()


def test_models_and_patches_have_a_place_of_their_own(folder: Path) -> None:
    dataset = open_dataset(str(folder))
    assert SubmissionJob.of(["x", "y"], dataset) == SubmissionJob.of(["y", "x"], dataset)
    assert SubmissionJob.of(["x"], dataset) != SubmissionJob.of(["x", "y"], dataset)


def test_the_command_writes_it_and_says_how_many(
    folder: Path, tiny_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_bundle.save(tmp_path / "b.safetensors")
    out = tmp_path / "out.csv"
    words = ["submit", "--data", str(folder), "--bundle", str(tmp_path / "b.safetensors"), "--out", str(out)]
    assert main([*words, "--device", "cpu"]) == 0
    assert "3 ids in" in capsys.readouterr().err
    assert out.read_text().splitlines()[1].startswith("t3,0.")


class Nothing:
    """57,458 patches that nobody reads."""

    def __len__(self) -> int:
        return TEST

    def load(self, rows: object) -> Loaded:
        raise NotImplementedError


def test_all_57_458_ids_of_the_competition_stand_in_the_order_of_the_sample(tmp_path: Path) -> None:
    ids = [f"{number:040x}" for number in range(TEST)]
    order = np.random.default_rng(0).permutation(ids).tolist()
    sample = tmp_path / "sample_submission.csv"
    sample.write_text("id,label\n" + "".join(f"{name},0\n" for name in order))
    values = np.random.default_rng(1).random(TEST)
    scores = TestScores(dict(zip(ids, values.tolist(), strict=True)), {})
    dataset = Dataset("Big", str(tmp_path), "kaggle", make_table(ids, split="test"), Nothing())
    lines = submission(scores, dataset).splitlines()
    assert lines[0] == "id,label"
    assert len(lines) == TEST + 1
    assert [line.split(",")[0] for line in lines[1:]] == order
    assert float(lines[1].split(",")[1]) == values[int(order[0], 16)]
    with pytest.raises(DataError, match="1 of the 57,458 ids"):
        submission(TestScores(dict(zip(ids[:-1], values[:-1].tolist(), strict=True)), {}), dataset)


class Counting:
    """A predictor that counts the patches that it predicts, and stops the job after some."""

    def __init__(self, predictor: Predictor, job: SubmissionJob, *, stop_after: int):
        self.predictor, self.job, self.stop_after = predictor, job, stop_after
        self.device, self.kind, self.asked = predictor.device, predictor.kind, 0

    def predict(self, pixels: np.ndarray, **_: object) -> Predictions:
        self.asked += len(pixels)
        if self.asked >= self.stop_after:
            self.job.request_stop()
        return self.predictor.predict(pixels)


def test_a_cancelled_submission_goes_on_where_it_ended(
    kaggle_folder: Callable[..., Path], fresh_home: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(chunks.CHUNK, "cpu", 2)
    dataset = open_dataset(str(kaggle_folder({"a": 0, "b": 1}, test=("t1", "t2", "t3", "t4", "t5"))))
    predictor, job = Predictor(tiny_bundle, device="cpu"), SubmissionJob.of([tiny_bundle.digest], dataset)
    expected = submission(score_test(predictor, dataset), dataset)
    first = Counting(predictor, job, stop_after=2)
    assert job.run(first, dataset).state == "cancelled"
    assert job.partial(dataset, device="cpu").kept(5) == 2
    assert not job.text_path.exists()
    (job.path / "stop").unlink()  # as a new start does
    second = Counting(predictor, job, stop_after=99)
    assert job.run(second, dataset).state == "finished"
    assert (first.asked, second.asked) == (2, 3)
    assert job.text_path.read_text() == expected
    assert not job.partial(dataset, device="cpu").path.exists()


def test_a_patch_that_could_not_be_read_is_named_with_its_reason_by_who_goes_on_too(
    kaggle_folder: Callable[..., Path], fresh_home: Path, tiny_bundle: Bundle
) -> None:
    folder = kaggle_folder({"a": 0, "b": 1}, test=("t1", "t2"))
    (folder / "test" / "t2.tif").write_bytes(b"no image")
    dataset = open_dataset(str(folder))
    predictor, job = Predictor(tiny_bundle, device="cpu"), SubmissionJob.of([tiny_bundle.digest], dataset)
    keep = job.partial(dataset, device="cpu")
    made = score_test(predictor, dataset, keep=keep)
    again = score_test(Counting(predictor, job, stop_after=99), dataset, keep=keep)
    assert list(made.probabilities) == ["t1"]
    assert list(made.unreadable) == ["t2"]
    assert again == made
