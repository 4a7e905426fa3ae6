import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.bundle import Bundle, load_bundle
from core.commands import embed as embed_command
from core.commands import main
from core.data import Decision, decide, open_dataset
from core.features.embedding import load_embedding
from core.features.label_errors import label_issues_path, load_label_issues, probe_key
from core.job import Job
from core.runs import preset
from core.studies.study import create_study


@pytest.fixture
def folder(kaggle_folder: Callable[..., Path], fresh_home: Path) -> Path:
    return kaggle_folder({**{f"p{number:02}": number % 2 for number in range(23)}, "=b": 1}, test=("t1",))


@pytest.fixture
def bundle(tiny_bundle: Bundle, tmp_path: Path) -> Path:
    tiny_bundle.save(tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


def test_a_ranking_is_printed_written_kept_and_made_again_when_labels_changed(
    folder: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["label-errors", "--data", str(folder), "--bundle", str(bundle), "--device", "cpu", "--top", "2"]
    assert main([*words, "--out", str(tmp_path / "r.csv")]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("kaggle: 24 labelled patches, by a linear probe on features of tiny, 5 folds by patch")
    assert len(printed) == 4
    rows = list(csv.DictReader((tmp_path / "r.csv").read_text().splitlines()))
    assert [int(row["rank"]) for row in rows] == list(range(1, 25))
    assert {row["id"] for row in rows} == {*(f"p{number:02}" for number in range(23)), "'=b"}
    assert [float(row["quality"]) for row in rows] == sorted(float(row["quality"]) for row in rows)
    path = label_issues_path(str(folder), probe_key(load_bundle(bundle)))
    first = path.stat().st_mtime_ns
    assert main(words) == 0
    assert path.stat().st_mtime_ns == first  # it was there already
    decide(str(folder), {"p00": Decision("exclude")})
    assert main(words) == 0
    assert "23 labelled patches" in capsys.readouterr().out
    assert path.stat().st_mtime_ns != first


def test_a_job_ranks_for_the_page(folder: Path, bundle: Path, tmp_path: Path) -> None:
    job = tmp_path / "errors.job"
    words = ["label-errors", "--data", str(folder), "--probe", "--bundle", str(bundle), "--device", "cpu"]
    words += ["--job", str(job)]
    assert main(words) == 0
    assert Job(job).status().state == "finished"
    assert load_label_issues(open_dataset(folder), probe_key(load_bundle(bundle))) is not None


def test_a_cross_validation_is_ranked_by_its_own_predictions(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = preset("quick").with_changes(data=(str(folder),))
    study = create_study("folds", config, name="cv", settings={"folds": 2, "by": "patch"}, suffixes=["fold-1"])
    assert main(["label-errors", "--data", str(folder), "--study", "cv"]) == 2
    assert "has no out-of-fold predictions" in capsys.readouterr().err
    table = pd.DataFrame({"id": [f"p{number:02}" for number in range(20)] + ["gone"], "label": [0, 1] * 10 + [1]})
    probability = np.where(table["label"] == 1, 0.9, 0.1)
    probability[7] = 0.05
    table = table.assign(fold=1, logit=0.0, probability=probability)
    (study.path / "predictions.csv").write_text(table.to_csv(index=False))
    assert main(["label-errors", "--data", str(folder), "--study", "cv", "--top", "1"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "kaggle: 20 labelled patches, by a cross-validation cv, 1 folds"
    assert printed[2].split()[:4] == ["1", "p07", "labelled", "tumour"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--study", "x", "--imagenet"], "leave out --imagenet and --bundle"),
        (["--imagenet", "--bundle", "b"], "choose one"),
        (["--study", "nothing"], "There is no study 'nothing'"),
    ],
)
def test_what_contradicts_itself_is_said(
    folder: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["label-errors", "--data", str(folder), *words]) == 2
    assert message in capsys.readouterr().err


def test_points_are_written_for_every_patch(
    folder: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decide(str(folder), {"p00": Decision("exclude")})  # a map is of pixels, whatever was decided
    out = tmp_path / "map.csv"
    assert main(["embed", "--data", str(folder), "--bundle", str(bundle), "--device", "cpu", "--out", str(out)]) == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert list(rows[0]) == ["id", "label", "split", "slide", "pc1", "pc2"]
    assert {row["id"] for row in rows} == {*(f"p{number:02}" for number in range(23)), "'=b", "t1"}
    found = load_embedding(open_dataset(folder), load_bundle(bundle))
    assert found is not None
    assert [float(row["pc1"]) for row in rows] == pytest.approx(found.components[:, 0].tolist(), abs=1e-5)
    assert "all patches, features of tiny" in capsys.readouterr().out


def test_a_job_makes_the_map_for_the_page(folder: Path, bundle: Path, tmp_path: Path) -> None:
    job = tmp_path / "map.job"
    words = ["embed", "--data", str(folder), "--bundle", str(bundle), "--device", "cpu", "--job", str(job)]
    assert main(words) == 0
    assert Job(job).status().state == "finished"


def test_umap_that_is_not_installed_is_said_before_anything_is_read(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed_command, "has_umap", lambda: False)
    monkeypatch.setattr(embed_command, "open_dataset", lambda *_, **__: pytest.fail("it was opened"))
    assert main(["embed", "--data", str(folder), "--umap", "--out", str(tmp_path / "m.csv")]) == 2
    assert "pip install umap-learn" in capsys.readouterr().err


def test_check_obeys_other_decisions(folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    decide(str(folder), {"p00": Decision("exclude")})
    (tmp_path / "mine.csv").write_text("id,decision\np00,exclude\np02,exclude\n")
    counts = []
    for words in ([], ["--decisions", "none"], ["--decisions", str(tmp_path / "mine.csv")]):
        main(["check", str(folder), "--json", *words])
        counts.append(json.loads(capsys.readouterr().out)["patches"])
    assert counts == [24, 25, 23]
