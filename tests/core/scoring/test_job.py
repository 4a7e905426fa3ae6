import os
import time
from pathlib import Path

import numpy as np
import pytest

from core.bundle import Bundle
from core.data import Dataset
from core.errors import DataError, RunError
from core.prediction import Predictor
from core.scoring import chunks
from core.scoring import job as module
from core.scoring.chunks import ChunkCache
from core.scoring.dataset import score
from core.scoring.job import JobStatus, ScoreJob
from core.scoring.store import chunk_cache_of, load_scores


@pytest.fixture
def job(small_demo: Dataset, tiny_bundle: Bundle, fresh_home: Path) -> ScoreJob:
    return ScoreJob.of(tiny_bundle, small_demo, "test")


def test_a_finished_job_leaves_predictions(job: ScoreJob, small_demo: Dataset, tiny_bundle: Bundle) -> None:
    assert job.status() == JobStatus("none")
    assert job.run(Predictor(tiny_bundle, device="cpu"), small_demo, "test").state == "finished"
    assert job.status() == JobStatus("finished", 1.0)
    stored = load_scores(tiny_bundle, small_demo, "test")
    assert stored is not None
    assert len(stored) == int((small_demo.table["split"] == "test").sum())


def test_a_cancelled_job_leaves_none(job: ScoreJob, small_demo: Dataset, tiny_bundle: Bundle) -> None:
    job.request_stop()
    assert job.run(Predictor(tiny_bundle, device="cpu"), small_demo, "test").state == "cancelled"
    assert job.status().state == "cancelled"
    assert load_scores(tiny_bundle, small_demo, "test") is None


def test_a_cancelled_job_is_continued_where_it_ended(
    job: ScoreJob, small_demo: Dataset, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(chunks.CHUNK, "cpu", 8)
    predictor = Predictor(tiny_bundle, device="cpu")
    whole = score(predictor, small_demo, split="test")
    read: list[int] = []
    load = type(small_demo.store).load

    def counting(self: object, rows: np.ndarray) -> object:
        read.append(len(rows))
        if len(read) == 3:
            job.request_stop()
        return load(self, rows)

    monkeypatch.setattr(type(small_demo.store), "load", counting)
    assert job.run(predictor, small_demo, "test").state == "cancelled"
    assert chunk_cache_of(tiny_bundle, small_demo, "test", device="cpu").kept(len(whole)) == 24  # the third, too
    (job.path / "stop").unlink()
    read[:] = [0, 0, 0]
    assert job.run(predictor, small_demo, "test").state == "finished"
    assert sum(read) == len(whole) - 24
    stored = load_scores(tiny_bundle, small_demo, "test")
    assert stored is not None
    np.testing.assert_array_equal(stored.logits, whole.logits)
    np.testing.assert_array_equal(stored.appearance.values, whole.appearance.values)
    assert not chunk_cache_of(tiny_bundle, small_demo, "test", device="cpu").path.exists()


def test_chunks_of_other_patches_are_not_taken(small_demo: Dataset, tiny_bundle: Bundle, tmp_path: Path) -> None:
    rows = np.arange(4)
    names = ("logits", "looks", "usable")
    chunk = {"logits": np.ones(4, np.float32), "looks": np.ones((4, 5), np.float32), "usable": np.ones(4, bool)}
    keep = ChunkCache.of(tmp_path / "p", rows, stamp="a", device="cpu")
    keep.write(0, chunk)
    assert keep.read(0, 4, names) is not None
    assert keep.read(0, 5, names) is None
    for stamp, device, others in (("b", "cpu", rows), ("a", "cuda", rows), ("a", "cpu", rows + 1)):
        assert ChunkCache.of(tmp_path / "p", others, stamp=stamp, device=device).read(0, 4, names) is None
    next((tmp_path / "p").iterdir()).write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match="Delete the folder"):
        keep.read(0, 4, names)


def test_progress_says_the_share_and_the_time_left(
    job: ScoreJob, small_demo: Dataset, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[JobStatus] = []
    monkeypatch.setattr(module, "REPORT_SECONDS", 0.0)
    monkeypatch.setitem(chunks.CHUNK, "cpu", 8)
    monkeypatch.setattr(ScoreJob, "write", lambda _self, status: said.append(status))
    job.run(Predictor(tiny_bundle, device="cpu"), small_demo, "test")
    shares = [each.share for each in said if each.state == "running"]
    assert shares == sorted(shares)
    assert len(shares) > 2
    assert said[-2].seconds_left == 0
    assert said[-1] == JobStatus("finished", 1.0)


def test_a_failure_is_its_last_word(job: ScoreJob, small_demo: Dataset, tiny_bundle: Bundle) -> None:
    with pytest.raises(DataError):
        job.run(Predictor(tiny_bundle, device="cpu"), small_demo, "no such part")
    assert job.status().state == "failed"
    assert "no such part" in job.status().message


def test_a_process_that_is_gone_is_lost_and_a_later_one_with_its_number_does_not_count(job: ScoreJob) -> None:
    job.record_process(os.getpid())
    job.write(JobStatus("running", 0.5))
    assert job.status() == JobStatus("running", 0.5)
    path = job.path / "process.json"
    path.write_text(f'{{"pid": {os.getpid()}, "created": 1.0}}')
    assert job.status().state == "lost"
    assert job.status().share == 0.5


def test_one_at_a_time(job: ScoreJob) -> None:
    job.record_process(os.getpid())
    job.write(JobStatus("running"))
    with pytest.raises(RunError, match="already"):
        job.start(source="demo", bundle=Path("b"), split="test")


@pytest.mark.slow
def test_a_process_of_its_own_scores_a_folder(tiny_bundle: Bundle, fresh_home: Path, tmp_path: Path) -> None:
    from PIL import Image

    from core.data import open_dataset

    folder = tmp_path / "kaggle"
    (folder / "train").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(rng.integers(0, 255, (96, 96, 3), np.uint8)).save(folder / "train" / f"p{number}.tif")
    (folder / "train_labels.csv").write_text("id,label\np0,0\np1,1\np2,0\np3,1\n")
    tiny_bundle.save(tmp_path / "b.safetensors")
    dataset = open_dataset(str(folder))
    job = ScoreJob.of(tiny_bundle, dataset, "all")
    job.start(source=str(folder), bundle=tmp_path / "b.safetensors", split="all", device="cpu")
    deadline = time.monotonic() + 90
    while job.status().is_active and time.monotonic() < deadline:
        time.sleep(0.2)
    assert job.status().state == "finished", (job.path / "log.txt").read_text()
    stored = load_scores(tiny_bundle, dataset, "all")
    assert stored is not None
    expected = Predictor(tiny_bundle, device="cpu").predict(dataset.store.load(stored.rows).pixels).logits
    np.testing.assert_allclose(stored.logits, expected, atol=1e-5)


def test_a_longer_chunk_of_an_earlier_version_is_continued(fresh_home: Path) -> None:
    rows = np.arange(100)
    keep = ChunkCache.of(fresh_home / "chunks", rows, stamp="s", device="cpu")
    keep.write(0, {"logits": np.arange(100.0, dtype=np.float32)})
    found = keep.read(0, keep.step, ["logits"])
    assert found is not None
    assert found["logits"].tolist() == list(range(keep.step))
    assert keep.kept(100) == keep.step
    assert keep.read(keep.step, 36, ["logits"]) is None
