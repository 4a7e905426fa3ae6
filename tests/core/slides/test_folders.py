"""Slides of a folder and where their results are."""

import os
from pathlib import Path

import pytest

from core.errors import DataError
from core.job import JobStatus
from core.slides.analyse import SlideJob
from core.slides.folders import Results, annotations_of, slides_in


def test_slides_are_files_with_the_suffix_of_one(tmp_path: Path) -> None:
    for name in ("b.svs", "a.TIFF", ".hidden.svs", "notes.txt", "c.geojson"):
        (tmp_path / name).touch()
    (tmp_path / "folder.svs").mkdir()
    assert [path.name for path in slides_in(tmp_path)] == ["a.TIFF", "b.svs"]
    with pytest.raises(DataError, match="gone"):
        slides_in(tmp_path / "gone")


def test_results_of_another_model_step_or_folder_lie_elsewhere(fresh_home: Path, tmp_path: Path) -> None:
    places = {
        Results.of(folder, bundle=bundle, step=step).path
        for folder in (tmp_path, tmp_path / "other") for bundle in ("a", "b") for step in (32, 96)
    }  # fmt: skip
    assert len(places) == 8
    assert len({Results(path).mpp_path for path in places}) == 2  # a scan has one scale, whatever the model


def test_the_state_of_a_slide_is_that_of_its_work(fresh_home: Path, tmp_path: Path) -> None:
    slide, results = tmp_path / "a.svs", Results.of(tmp_path, bundle="b", step=32)
    job = SlideJob.of(results.folder(slide))
    assert results.states([slide])[slide] == ("", "")
    job.path.mkdir(parents=True)
    job.write(JobStatus("failed", 0.2, "The file is damaged."))
    assert results.states([slide])[slide] == ("failed", "The file is damaged.")
    job.write(JobStatus("finished", 1.0))
    (results.folder(slide) / "summary.json").write_text("{}")
    assert results.states([slide])[slide] == ("done", "")


def test_a_slide_waits_while_the_queue_that_holds_it_works(fresh_home: Path, tmp_path: Path) -> None:
    first, second, other = (tmp_path / name for name in ("a.svs", "b.svs", "c.svs"))
    results = Results.of(tmp_path, bundle="b", step=32)
    job = SlideJob.of(results.folder(first))
    job.path.mkdir(parents=True)
    job.write(JobStatus("failed", 0.2, "The file is damaged."))
    results.put_in_queue([first, second])
    assert results.states([first])[first] == ("", "")  # nothing works yet, and the failure is forgotten
    results.queue.record_process(os.getpid())
    results.queue.write(JobStatus("running", 0.1))
    found = results.states([first, second, other])
    assert [found[each][0] for each in (first, second, other)] == ["waiting", "waiting", ""]


def test_outlines_lie_beside_the_slide_or_in_a_folder_of_them(tmp_path: Path) -> None:
    slide = tmp_path / "a.svs"
    assert annotations_of(slide) is None
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "a.xml").touch()
    assert annotations_of(slide) == tmp_path / "annotations" / "a.xml"
    (tmp_path / "a.geojson").touch()
    assert annotations_of(slide) == tmp_path / "a.geojson"
