import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import core.commands.leak as leak_command
from core.bundle import Bundle, load_bundle
from core.commands import main
from core.evaluation import METRICS, ConfusionMatrix, Estimate, Evaluation
from core.studies.split_leakage import Leak


@pytest.fixture
def kaggle(tmp_path: Path, fresh_home: Path) -> Path:
    folder = tmp_path / "kaggle"
    (folder / "train").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(12):
        Image.fromarray(rng.integers(0, 255, (96, 96, 3), np.uint8)).save(folder / "train" / f"p{number}.tif")
    rows = [f"p{number},{number % 2}" for number in range(12)]
    (folder / "train_labels.csv").write_text("\n".join(["id,label", *rows]))
    return folder


@pytest.fixture
def bundle(tmp_path: Path, tiny_bundle: Bundle) -> Path:
    tiny_bundle.save(tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


def test_everything_can_be_taken_away(kaggle: Path, bundle: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    words = ["evaluate", "--data", str(kaggle), "--bundle", str(bundle), "--subset", "all", "--threshold", "0.6"]
    words += ["--out", str(out / "p.csv"), "--card", str(out / "card.md"), "--report", str(out / "r.html")]
    assert main([*words, "--save-bundle", str(out / "strict.safetensors")]) == 0
    assert "n = 12 (6 tumour), threshold 0.6000, 95% CIs over patches (slides unknown)" in capsys.readouterr().out
    assert len((out / "p.csv").read_text().splitlines()) == 13
    assert (out / "card.md").read_text().startswith("# Model card: tiny on ")
    assert "Plotly.newPlot(" in (out / "r.html").read_text()
    copy = load_bundle(out / "strict.safetensors")
    assert (copy.card.name, copy.card.threshold) == ("strict", 0.6)


def test_a_bundle_against_itself_at_another_threshold(kaggle: Path, bundle: Path, tmp_path: Path, capsys) -> None:
    words = ["evaluate", "--data", str(kaggle), "--bundle", str(bundle), "--subset", "all", "--json"]
    assert main([*words, "--threshold", "0.0", "--against", str(bundle)]) == 0
    found = json.loads(capsys.readouterr().out)
    against = found["against"]
    assert against["differences"]["auc"]["value"] == 0
    assert found["figures"]["sensitivity"]["value"] == 1
    at_own = json.loads((main(words), capsys.readouterr().out)[1])
    called_normal = at_own["confusion"]["tn"] + at_own["confusion"]["fn"]
    assert len(against["disagreements"]) == called_normal  # at 0 all are called tumour


def test_a_copy_needs_a_threshold(kaggle: Path, bundle: Path, tmp_path: Path, capsys) -> None:
    words = ["evaluate", "--data", str(kaggle), "--bundle", str(bundle), "--save-bundle", str(tmp_path / "x")]
    assert main(words) == 2
    assert "--threshold" in capsys.readouterr().err


def test_a_job_that_cannot_start_says_so_in_its_folder(kaggle: Path, tmp_path: Path, capsys) -> None:
    words = ["evaluate", "--data", str(kaggle), "--bundle", str(tmp_path / "none"), "--job", str(tmp_path / "job")]
    assert main(words) == 2
    status = json.loads((tmp_path / "job" / "status.json").read_text())
    assert status["state"] == "failed"
    assert "There is no bundle" in status["message"]


def test_the_leak_command_prints_both_and_a_sentence(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def evaluation(auc: float) -> Evaluation:
        figures = {name: Estimate(auc, auc - 0.01, auc + 0.01) for name in METRICS}
        return Evaluation(100, 40, 0.5, figures, ConfusionMatrix(50, 10, 10, 30), "slide", 10, 6)

    asked: list[tuple[int, ...]] = []

    def measure(config, folder, *, split_seeds, notify):
        asked.append((config.epochs, *split_seeds))
        return Leak((evaluation(0.97),), (evaluation(0.90),))

    monkeypatch.setattr(leak_command, "measure_leak", measure)
    assert main(["leak", "--data", "demo", "--preset", "quick", "--epochs", "2", "--splits", "3"]) == 0
    out = capsys.readouterr().out
    assert asked == [(2, 0, 1, 2)]
    assert "0.970 (0.960–0.980)" in out
    assert "The random split is optimistic: AUC 0.970 against 0.900 on new slides" in out
