"""``python -m core train``: a run with its exit status."""

import json
import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.bundle import load_bundle
from core.commands import main
from core.errors import RunError
from core.runs import Status, create_run, open_run, preset
from core.training import trainer

SMALL = ("--epochs", "1", "--batch-size", "16", "--device", "cpu")


@pytest.fixture
def data(kaggle_folder: Callable[..., Path]) -> Path:
    return kaggle_folder({f"{number:03}": number % 2 for number in range(90)})


def _error(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def test_a_run_is_trained_to_its_bundle_and_never_again(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    words = ["train", "--data", str(data), "--run-dir", str(folder), *SMALL, "--learning-rate", "0.003", "--seed", "5"]
    words += ["--patches", "50", "--name", " the first "]

    assert main(words) == 0

    output = capsys.readouterr().out
    assert f"Run: {folder}" in output
    assert output.count("Epoch 1/1:") == 1
    run = open_run(folder)
    assert run.status().state == "finished"
    assert run.title() == "the first"
    expected = preset("quick").with_changes(
        data=(str(data),), epochs=1, batch_size=16, device="cpu", learning_rate=0.003, seed=5, patches=50
    )
    assert run.config() == expected
    assert load_bundle(run.bundle_path).card.name == "run"
    assert not [
        each for each in logging.getLogger("nodescope.training").handlers if type(each) is logging.StreamHandler
    ]
    assert main(words) == 2
    assert "is not empty, and a run never overwrites another one. To go on with it, use --resume" in _error(capsys)
    assert main(["train", "--run-dir", str(folder), "--resume"]) == 2
    assert "The run run is finished; its bundle is" in _error(capsys)


def test_a_quiet_run_says_nothing_on_screen(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--data", str(data), "--run-dir", str(tmp_path / "run"), "--quiet", *SMALL]) == 0

    output = capsys.readouterr()
    assert (output.out, output.err) == ("", "")
    assert "Epoch 1/1:" in (tmp_path / "run" / "log.txt").read_text()


def test_a_name_that_cannot_be_leaves_no_run(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "--data", str(data), "--run-dir", str(tmp_path / "run"), *SMALL, "--name", "x" * 81]

    assert main(words) == 2

    assert "A name needs at most 80 printable characters" in _error(capsys)
    assert not (tmp_path / "run").exists()
    assert main(["train", "--run-dir", str(tmp_path / "run"), "--resume", "--name", "another"]) == 2
    assert "leave out --name" in _error(capsys)


def test_a_mistyped_folder_is_2_and_leaves_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "--data", str(tmp_path / "nowhere"), "--run-dir", str(tmp_path / "run"), *SMALL]

    assert main(words) == 2

    assert "There is no folder" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_that_fails_is_1_with_its_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kaggle").mkdir()
    (tmp_path / "kaggle" / "train_labels.csv").write_text("id,label\na,2\n")
    words = ["train", "--data", str(tmp_path / "kaggle"), "--run-dir", str(tmp_path / "run"), *SMALL]

    assert main(words) == 1

    assert "labels must be 0 or 1" in capsys.readouterr().out
    assert open_run(tmp_path / "run").status().state == "failed"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--epochs", "0"], "epochs must be 1 to 10000, got 0"),
        (["--model", "vgg"], "There is no network called 'vgg'; choose from efficientnet-lite0, .*timm:resnet18"),
        (["--resume"], "--resume needs --run-dir"),
        (["--preset", "transfer", "--side", "64"], "side must be 96 to 512, got 64"),
        (["--side", "112"], "The network notebook-cnn takes patches as they are; leave side out"),
    ],
)
def test_settings_that_cannot_be_are_2(
    words: list[str], message: str, fresh_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *words]) == 2

    assert re.search(f"^error: {message}", _error(capsys))
    assert not fresh_home.exists()


def test_settings_are_not_ignored_when_a_run_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = create_run(preset("quick"), tmp_path / "run")

    assert main(["train", "--run-dir", str(run.path), "--resume", "--epochs", "50", "--seed", "3"]) == 2

    assert "leave out --epochs, --seed, or start a new run" in _error(capsys)


def test_a_folder_that_is_no_run_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--run-dir", str(tmp_path), "--resume"]) == 2

    assert "is no run: config.json is missing" in _error(capsys)


def test_a_run_that_another_process_works_on_is_2_and_not_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = create_run(preset("quick"), tmp_path / "run")

    def busy(_: object) -> Status:
        raise RunError("Another process works on the run run.")

    monkeypatch.setattr("core.commands.train.execute", busy)

    assert main(["train", "--run-dir", str(run.path), "--resume"]) == 2
    assert "error: Another process works on the run run." in _error(capsys)


def test_a_run_whose_folder_is_deleted_while_it_works_is_1_and_says_so(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trainer.Trainer, "_after_step", lambda self: shutil.rmtree(self.run.path, ignore_errors=True))

    assert main(["train", "--data", str(data), "--run-dir", str(tmp_path / "mine"), "--quiet", *SMALL]) == 1

    assert re.search(r"^error: The folder of the run mine is gone: .*deleted or moved", _error(capsys))
    assert not (tmp_path / "mine").exists()


def test_another_than_the_main_process_leaves_the_reason_to_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = create_run(preset("quick"), tmp_path / "run")

    def fail(_: object) -> Status:
        raise RunError("Another process of this training has ended; the run says why.")

    monkeypatch.setattr("core.commands.train.execute", fail)
    monkeypatch.setattr(
        "core.commands.train.ProcessGroup", lambda _: SimpleNamespace(is_main=False, from_main=lambda _: run.path)
    )

    assert main(["train", "--run-dir", str(run.path), "--resume"]) == 1
    assert _error(capsys) == ""


def test_data_are_written_down_so_that_any_folder_can_resume(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.commands.train.execute", lambda _: None)
    monkeypatch.chdir(data.parent)

    assert main(["train", "--data", "kaggle", "--data", "demo", "--run-dir", str(tmp_path / "run")]) == 0

    assert json.loads((tmp_path / "run" / "config.json").read_text())["data"] == [str(data), "demo"]
