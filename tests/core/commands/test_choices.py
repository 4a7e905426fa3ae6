"""What commands let one choose about a data set, and that it is remembered and stands in the card."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.bundle import load_bundle
from core.commands import main
from core.data import open_dataset


@pytest.fixture
def tissues(tmp_path: Path, fresh_home: Path) -> str:
    """150 pictures of 192×192 in three class folders whose names do not tell all."""
    random = np.random.default_rng(0)
    for number in range(150):
        name = ("LYM", "NORM", "TUM")[number % 3]
        path = tmp_path / "set" / name / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (192, 192, 3), dtype=np.uint8)).save(path)
    return str(tmp_path / "set")


def test_classes_and_sizes_are_chosen_once(tissues: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--look", "--data", tissues]) == 2
    assert "Its classes are LYM (50), NORM (50), TUM (50). Say which" in capsys.readouterr().err

    assert main(["check", "--look", "--json", tissues, "--tumour", "TUM", "--normal", "NORM,LYM", "--mpp", "0.5"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sizes"] == {"192×192": 24}
    assert found["found"].endswith("tumour: TUM; normal: NORM, LYM; other sizes rescaled, 0.5 µm/px")

    assert main(["check", "--look", tissues, "--normal", "NORM"]) == 0
    said = capsys.readouterr()
    assert "100 patches, 50 normal, 50 tumour" in said.out
    assert "50 of the class LYM" in said.err
    assert open_dataset(tissues).store.load([0]).unreadable == {}


def test_a_wrong_class_is_named(tissues: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--look", tissues, "--tumour", "XYZ"]) == 2
    assert "'XYZ' is none of its classes, which are LYM (50), NORM (50), TUM (50)" in capsys.readouterr().err


def test_the_card_says_what_was_chosen(tissues: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    chosen = ["--tumour", "TUM", "--normal", "NORM", "--mpp", "0.5"]
    assert main(["train", "--data", tissues, *chosen, "--epochs", "1", "--run-dir", str(run), "--quiet"]) == 0

    (source,) = load_bundle(run / "bundle.safetensors").card.training["data"]
    assert source["choices"] == {"tumour": ["TUM"], "normal": ["NORM"], "mpp": 0.5}
    main(["info", "--bundle", str(run / "bundle.safetensors")])
    assert "tumour: TUM; normal: NORM; other sizes rescaled, 0.5 µm/px" in capsys.readouterr().out
