"""The table of a cohort: measures, failures by reason, and the highest foci."""

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from core.commands import main
from core.errors import DataError
from core.job import JobStatus
from core.slides import cohort
from core.slides.analyse import SlideJob
from core.slides.cohort import failures, highest_foci, read_cohort, state_of, tabled, write_cohort

HEAD = "x,y,probability,area_mm2,longest_mm\n"


def _slide(folder: Path, *, share: float | None = 0.1, foci: str = "", notes: tuple[str, ...] = ()) -> None:
    folder.mkdir(parents=True)
    summary = {"slide": f"{folder.name}.svs", "tumour_share": share, "foci": foci.count("\n"), "notes": list(notes)}
    (folder / "summary.json").write_text(json.dumps(summary))
    (folder / "foci.csv").write_text(HEAD + foci)


def _failed(folder: Path, why: str) -> None:
    job = SlideJob.of(folder)
    job.path.mkdir(parents=True)
    job.write(JobStatus("failed", message=why))


def test_all_slides_stand_in_one_table(tmp_path: Path) -> None:
    _slide(tmp_path / "b", share=0.25, notes=("One.", "Two."))
    _slide(tmp_path / "=a", share=None)
    _failed(tmp_path / "c", "c.svs is damaged.")
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "summary.json").write_text("{")
    (tmp_path / ".queue").mkdir()
    (tmp_path / ".queue" / "summary.json").write_text("{}")
    (tmp_path / "notes").mkdir()

    write_cohort(tmp_path)

    table = pd.read_csv(tmp_path / "slides.csv", keep_default_na=False)
    assert tuple(table.columns) == cohort.COLUMNS
    assert table["name"].tolist() == ["'=a", "b", "c", "e"]
    assert table["state"].tolist() == ["done", "done", "failed", "failed"]
    assert table["tumour_share"].tolist() == ["", "0.25", "", ""]
    assert table["notes"][1] == "One. Two."
    assert table["slide"].tolist() == ["'=a.svs", "b.svs", "c.svs", "e"]
    assert table["reason"][2] == "c.svs is damaged."
    assert "summary.json is damaged" in table["reason"][3]
    assert len(read_cohort(tmp_path / "none")) == 0


def test_a_slide_that_is_at_work_says_how_far_it_is(tmp_path: Path) -> None:
    _slide(tmp_path / "a")
    assert state_of(tmp_path / "a") == ("done", "")
    job = SlideJob.of(tmp_path / "a")
    seen = []
    job.work(lambda _: (job.write(JobStatus("running", 0.4)), seen.append(state_of(tmp_path / "a"))))
    assert seen == [("40%", "")]
    assert state_of(tmp_path / "b") == ("", "")


def test_failures_of_one_kind_are_one_reason(tmp_path: Path) -> None:
    for name in ("a", "a.b"):
        _failed(tmp_path / name, f"{name}.svs does not say how many µm a pixel is wide.")
    _failed(tmp_path / "z", "z.svs is damaged or cut off (what); copy it again.")
    assert failures(read_cohort(tmp_path)) == {
        "This slide does not say how many µm a pixel is wide.": ["a", "a.b"],
        "This slide is damaged or cut off (what); copy it again.": ["z"],
    }


def test_the_highest_foci_are_those_of_all_slides(tmp_path: Path) -> None:
    _slide(tmp_path / "a", foci="1,2,0.9,0.01,0.1\n3,4,0.7,0.01,0.1\n")
    _slide(tmp_path / "b", foci="5,6,0.9,0.02,0.1\n")
    found = highest_foci(tmp_path, ["a", "b"], most=2)
    assert [(each["name"], each["x"], each["probability"]) for each in found] == [("b", 5, 0.9), ("a", 1, 0.9)]
    (tmp_path / "b" / "foci.csv").write_text(HEAD + "1,2,x,0,0\n")
    with pytest.raises(DataError, match=r"foci\.csv is damaged"):
        highest_foci(tmp_path, ["a", "b"], most=2)


def test_the_table_follows_the_slides_without_reading_all_of_them_after_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, real, count = [0], cohort.read_summary, 200
    monkeypatch.setattr(cohort, "read_summary", lambda folder: (reads.__setitem__(0, reads[0] + 1), real(folder))[1])

    def rows() -> int:
        return len((tmp_path / "slides.csv").read_text().splitlines()) - 1

    def slides(numbers: range, *, until: int = 999) -> Iterator[int]:
        for number in numbers:
            if number == until:
                raise KeyboardInterrupt
            _slide(tmp_path / f"{number:03}")
            yield number

    for number in tabled(tmp_path, slides(range(count))):
        assert number + 1 >= rows() >= 0.8 * (number + 1)
    whole = (tmp_path / "slides.csv").read_bytes()
    assert rows() == count
    assert reads[0] < 7 * count  # 20,100 if all were read after each
    write_cohort(tmp_path)
    assert (tmp_path / "slides.csv").read_bytes() == whole

    reads[0] = 0
    for _ in tabled(tmp_path, slides(range(count, count + 3))):  # a folder that goes on
        pass
    assert (rows(), reads[0]) == (count + 3, 2 * count + 4)
    with pytest.raises(KeyboardInterrupt):  # also what is interrupted has its table
        list(tabled(tmp_path, slides(range(count + 3, count + 9), until=count + 5)))
    assert rows() == count + 5
    assert list(tabled(tmp_path / "none", ())) == []


def test_the_command_writes_it_after_each_slide(small_slide: Path, write_slide, tissue_pixels, tmp_path: Path) -> None:
    silent = write_slide(tmp_path / "silent.tif", tissue_pixels, mpp=None)
    words = ["--step", "96", "--bundle", "nodescope-net", "--device", "cpu", "--out", str(tmp_path / "out")]
    assert main(["slide", str(silent), str(small_slide), *words]) == 1
    table = pd.read_csv(tmp_path / "out" / "slides.csv")
    assert dict(zip(table["name"], table["state"], strict=True)) == {"silent": "failed", "small": "done"}
    told = json.loads((tmp_path / "out" / "small" / "summary.json").read_text())
    assert table.set_index("name").loc["small", "tissue_mm2"] == told["tissue_mm2"]
    assert "does not say how many µm" in table.set_index("name").loc["silent", "reason"]
