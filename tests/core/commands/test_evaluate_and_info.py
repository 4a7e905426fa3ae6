"""``evaluate`` and ``info``: the same figures as the library's, and a card in plain lines."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import models
from core.bundle import INTENDED_USE, Bundle, load_bundle
from core.commands import evaluate as evaluate_command
from core.commands import main
from core.data import Dataset, Decision, decide, open_dataset
from core.evaluation import evaluate
from core.prediction import Predictor
from core.scoring.dataset import Scored
from core.scoring.store import score_and_store


@pytest.fixture(autouse=True)
def _nothing_is_stored(fresh_home: Path) -> None:
    """Each test predicts by itself: stored predictions know ids and labels of a data set, not its pixels."""


@pytest.fixture
def bundle(tiny_bundle: Bundle, tmp_path: Path) -> Path:
    tiny_bundle.save(tmp_path / "bundle.safetensors")
    return tmp_path / "bundle.safetensors"


@pytest.fixture
def data(kaggle_folder: Callable[..., Path]) -> Path:
    return kaggle_folder({f"{number:03}": number % 2 for number in range(40)})


@pytest.mark.parametrize(("words", "threshold"), [([], 0.4), (["--threshold", "0.55"], 0.55)])
def test_figures_are_those_of_the_evaluation(
    bundle: Path, data: Path, capsys: pytest.CaptureFixture[str], words: list[str], threshold: float
) -> None:
    assert main(["evaluate", "--data", str(data), "--bundle", str(bundle), "--device", "cpu", "--json", *words]) == 0

    printed = json.loads(capsys.readouterr().out)
    dataset = open_dataset(data)
    probabilities = (
        Predictor(load_bundle(bundle), device="cpu").predict(dataset.store.load(range(40)).pixels).probabilities
    )
    expected = evaluate(dataset.labels(range(40)), probabilities, threshold=threshold).to_json()
    assert {name: printed[name] for name in expected} == json.loads(json.dumps(expected))
    assert printed["digest"] == load_bundle(bundle).digest
    assert printed["part"] == "all labelled patches (none were trained on, as far as the card says)"
    assert printed["unreadable"] == 0


def test_figures_in_plain_lines(bundle: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "train" / "007.tif").write_bytes(b"x")

    assert main(["evaluate", "--data", str(data), "--bundle", str(bundle), "--device", "cpu"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("n = 39 (19 tumour), threshold 0.4000, 95% CIs")
    assert "excluded: 1 unreadable patches" in lines


def test_predictions_of_another_split_are_read_unless_fresh_ones_are_wanted(
    bundle: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def counted(predictor: Predictor, dataset: Dataset, split: str, **more: Any) -> Scored:
        made.append(split)
        return score_and_store(predictor, dataset, split, **more)

    monkeypatch.setattr(evaluate_command, "score_and_store", counted)
    for words in (["--subset", "all"], ["--subset", "auto"], ["--subset", "auto", "--fresh"]):
        assert main(["evaluate", "--data", str(data), "--bundle", str(bundle), "--device", "cpu", *words]) == 0
    assert made == ["all", "auto"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "/nowhere/at/all"], "error: There is no folder /nowhere/at/all."),
        (["--data", "DATA", "--threshold", "7"], "error: "),
        (["--data", "DATA", "--threshold", "nan"], "error: "),
    ],
)
def test_what_cannot_be_evaluated_is_2_with_a_sentence(
    bundle: Path, data: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    words = [str(data) if word == "DATA" else word for word in words]

    assert main(["evaluate", "--bundle", str(bundle), "--device", "cpu", *words]) == 2

    error = capsys.readouterr().err
    assert error.startswith(message)
    assert error.count("\n") == 1


def test_the_card_in_plain_lines(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--bundle", str(bundle)]) == 0

    output = capsys.readouterr().out
    assert output.startswith(f"tiny ({load_bundle(bundle).digest})\n")
    assert "notebook-cnn, 127,230 parameters" in output
    assert "temperature 2.0000, bias +0.2500" in output
    assert "threshold     0.4000" in output
    assert INTENDED_USE in output


def test_the_card_as_json(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--bundle", str(bundle), "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(load_bundle(bundle).card.to_json()))


def test_the_networks_and_their_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--models"]) == 0

    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert list(lines) == [*models.names(), "timm:NAME"]
    assert lines["resnet50"].split() == ["23,510,081", "parameters"]


def test_a_damaged_bundle_is_2(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle.write_bytes(bundle.read_bytes()[:50])

    assert main(["info", "--bundle", str(bundle)]) == 2
    assert capsys.readouterr().err.startswith("error: bundle.safetensors is damaged or no bundle")


def test_labels_that_people_decided_are_counted(bundle: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    decide(str(data), {"003": Decision("relabel", 0), "004": Decision("exclude")})
    words = ["evaluate", "--data", str(data), "--subset", "all", "--bundle", str(bundle), "--device", "cpu"]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["labels_by_decision"] == 1
    assert main(words) == 0
    assert "1 of these labels are decisions of people" in capsys.readouterr().out
