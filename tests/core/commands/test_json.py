"""``--json``: every command that prints figures prints them as JSON too, and nothing else on the standard output."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from core.bundle import Bundle, load_bundle
from core.commands import main
from core.data import open_dataset, read
from core.prediction import Predictor

SMALL = ["--epochs", "1", "--batch-size", "8", "--device", "cpu"]


@pytest.fixture
def folder(fresh_home: Path, kaggle_folder: Callable[..., Path]) -> Path:
    return kaggle_folder({f"p{number:02}": number % 2 for number in range(40)}, test=("x",))


@pytest.fixture
def bundle(tiny_bundle: Bundle, tmp_path: Path) -> list[str]:
    tiny_bundle.save(tmp_path / "tiny.safetensors")
    return ["--bundle", str(tmp_path / "tiny.safetensors"), "--device", "cpu"]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    def run(*words: str | Path) -> Any:
        assert main([*map(str, words), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_predict_and_explain(folder: Path, bundle: list[str], tmp_path: Path, printed: Callable[..., Any]) -> None:
    dataset = open_dataset(folder)
    row = list(dataset.table["id"]).index("p07")
    predictor = Predictor(load_bundle(Path(bundle[1])), device="cpu")
    expected = float(predictor.predict(read(dataset.store, [row])).probabilities[0])

    assert printed("predict", folder / "train" / "p07.tif", *bundle) == [{"id": "p07", "probability": expected}]

    out = tmp_path / "maps"
    (found,) = printed("explain", folder / "train" / "p07.tif", "--out", out, *bundle)
    assert found == {
        "name": "p07.tif",
        "probability": expected,
        "verdict": "tumour" if expected >= 0.4 else "normal",
        "report": str(out / "p07" / "report.html"),
    }


def test_region(tmp_path: Path, printed: Callable[..., Any]) -> None:
    Image.new("RGB", (112, 96), (200, 120, 180)).save(tmp_path / "wide.png")

    found = printed("region", tmp_path / "wide.png", "--out", tmp_path / "m.csv", "--threshold", "0", "--device", "cpu")

    assert (found["size"], found["columns"], found["rows"], found["tumour_share"]) == ([112, 96], 3, 1, 1.0)
    assert found["files"] == [str(tmp_path / "m.csv")]
    assert 0 < found["highest_probability"] < 1


def test_label_errors_embed_and_pack(
    folder: Path, bundle: list[str], tmp_path: Path, printed: Callable[..., Any]
) -> None:
    found = printed("label-errors", "--data", folder, "--top", "2", *bundle)
    assert (found["labelled"], [each["rank"] for each in found["top"]]) == (40, [1, 2])

    found = printed("embed", "--data", folder, "--out", tmp_path / "map.csv", *bundle)
    assert (found["patches"], found["points"]) == (41, 41)
    assert 0 < found["explained_variance"] <= 1

    found = printed("pack", "--data", folder, "--workers", "1")
    assert (found["patches"], found["unreadable"]) == (41, 0)


def test_cost_and_learning_rate(folder: Path, tmp_path: Path, printed: Callable[..., Any]) -> None:
    found = printed("train", "--estimate", "--data", folder, *SMALL)
    assert found["train"] + found["valid"] < 40
    assert found["seconds_per_epoch"] > 0

    found = printed("lr-find", "--steps", "12", "--out", tmp_path / "c.csv", "--data", folder, *SMALL[2:])
    assert 1e-6 <= found["suggestion"] <= 1
    assert main(["train", "--json", "--data", str(folder)]) == 2


def test_a_study_says_its_progress_on_the_error_output(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["cross-validate", "--data", str(folder), "--folds", "2", "--name", "mine", "--json", *SMALL]
    assert main(words) == 0

    output = capsys.readouterr()
    found = json.loads(output.out)
    assert (found["study"], found["state"], found["done"]) == ("mine", "finished", 2)
    assert [fold["n"] for fold in found["results"]["folds"]] == [20, 20]
    assert "Fold 2 of 2: mine-fold-2" in output.err
