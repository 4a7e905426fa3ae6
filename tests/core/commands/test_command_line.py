"""The command line itself: what it loads, its help, its suggestions, and what it still understands."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from core import __version__
from core.commands import COMMANDS, HIDDEN, OLD_NAMES, main, program
from core.runs.settings import SETTINGS

ROOT = Path(__file__).resolve().parents[3]
NAMES = [name for commands in COMMANDS.values() for name in commands]
HEAVY = {"torch", "numpy", "pandas", "scipy", "sklearn", "plotly", "streamlit", "models"}

MEASURED = """
import sys, time
from core.commands import main
status = main(sys.argv[1:])
print(status, time.process_time(), *(name for name in sys.modules if "." not in name), file=sys.stderr)
"""


def _parsed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """Return the command that is meant and the values of its options, without running it."""
    with program.make_context("core", list(words)) as context:
        name, command, rest = program.resolve_command(context, words)
        while isinstance(command, click.Group):
            _, command, rest = command.resolve_command(context, rest)
        assert command is not None
        return str(name), command.make_context(name, rest, parent=context).params


@pytest.mark.parametrize("words", [["--version"], ["--help"], []], ids=" ".join)
def test_what_needs_no_command_takes_under_a_second_and_loads_nothing_large(words: list[str]) -> None:
    found = subprocess.run([sys.executable, "-c", MEASURED, *words], cwd=ROOT, capture_output=True, text=True)

    status, seconds, *modules = found.stderr.split()
    assert status == "0"
    assert float(seconds) < 1
    assert not HEAVY & set(modules)


def test_the_module_can_be_run() -> None:
    found = subprocess.run([sys.executable, "-m", "core", "--version"], cwd=ROOT, capture_output=True, text=True)

    assert (found.returncode, found.stdout) == (0, f"Nodescope {__version__}\n")


def test_without_a_command_the_help_names_each_that_is_not_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    bare = capsys.readouterr().out
    assert main(["-h"]) == 0

    assert capsys.readouterr().out == bare
    listed = [line.split()[0] for line in bare.splitlines() if line.startswith("  ") and line[2:3].isalpha()]
    assert [name for name in listed if name in (*NAMES, *HIDDEN, *OLD_NAMES)] == NAMES


def test_what_pages_start_is_not_in_the_help_of_studies(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["studies"]) == 0

    commands = capsys.readouterr().out.partition("Commands:\n")[2]
    listed = [line.split()[0] for line in commands.splitlines() if line[2:3].isalpha()]
    assert listed == ["list", "show", "stop", "resume", "delete", "restore"]


@pytest.mark.parametrize("name", [*NAMES, *HIDDEN])
def test_each_command_has_its_name_a_help_and_no_option_twice(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0

    assert capsys.readouterr().out.startswith(f"Usage: python -m core {name} ")
    command = program.get_command(click.Context(program), name)
    assert command is not None
    assert command.name == name
    spellings = [
        word for option in command.params if isinstance(option, click.Option)
        for word in (*option.opts, *option.secondary_opts, *getattr(option, "aliases", ()))
    ]  # fmt: skip
    assert len(set(spellings)) == len(spellings)
    for option in command.params:
        assert isinstance(option, click.Argument) or option.hidden or option.help


def test_the_help_of_train_has_the_settings_in_groups_with_their_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0

    text = " ".join(capsys.readouterr().out.split())
    for setting in SETTINGS.values():
        assert f"--{setting.name.replace('_', '-').removesuffix('s')}" in text
        assert " ".join(setting.help.split()) in text.replace("- ", "-")
    for group in ("Network:", "Augmentation:", "Optimiser:", "Classes and split:", "Teachers:", "Speed and repeating:"):
        assert group in text
    assert "Allowed: 1 to 10000. [default: 20]" in text
    assert "Allowed: 0 to 180 degrees. [default: 0.0]" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "No such command 'trian'. Did you mean 'train'?"),
        (["cross-validation"], "Did you mean 'cross-validate'?"),
        (["runs", "shw"], "No such command 'shw'. Did you mean 'show'?"),
        (["zzz"], "No such command 'zzz'.\n"),
        (["train", "--epoch", "3"], "'--epochs'"),
        (["predict", "x.png", "--bundel", "b"], "Did you mean '--bundle'?"),
        (["predict"], "Missing argument 'PATH...'."),
        (["evaluate"], "Missing option '--data'."),
        (["evaluate", "--data", "demo", "--subset", "some"], "Invalid value for '--subset'"),
        (["train", "--preset", "fast"], "Invalid value for '--preset': 'fast' is not one of"),
        (["train", "--epochs", "many"], "Invalid value for '--epochs'"),
        (["pack"], "Name the data set once"),
        (["check", "demo", "--data", "demo"], "Name the data set once"),
        (["download", "pcam"], "Name the folder once"),
        (["learning-curve", "20", "all"], "Got unexpected arguments: 20 all"),
    ],
)
def test_what_is_not_understood_is_2_with_usage_and_a_suggestion(
    words: list[str], message: str, fresh_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2

    usage, _, error = capsys.readouterr().err.partition("\n\nerror: ")
    assert usage.startswith("Usage: python -m core ")
    assert message in error
    assert not fresh_home.exists()


@pytest.mark.parametrize(("old", "new"), OLD_NAMES.items())
def test_old_names_are_understood_and_hidden(old: str, new: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([old, "--help"]) == 0

    assert capsys.readouterr().out.startswith(f"Usage: python -m core {new} ")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("predict a.png --turns", "predict a.png --tta"),
        ("evaluate --data d --split valid --csv=p", "evaluate --data d --subset validation --out p"),
        (
            "split --data d --by slide --seed 3 --valid 0.2",
            "split --data d --split slide --split-seed 3 --validation 0.2",
        ),
        ("check --data d --csv x", "check --data d --out x"),
        ("lr --csv x", "lr-find --out x"),
        ("folds --by slide", "cross-validate --split slide"),
    ],
)
def test_old_spellings_of_options_mean_the_same_and_are_hidden(
    old: str, new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _parsed(old.split()) == _parsed(new.split())

    main([new.split()[0], "--help"])
    old_spellings = {word for word in re.split("[ =]", old) if word.startswith("--")} - set(new.split())
    assert old_spellings
    assert not old_spellings & set(capsys.readouterr().out.split())


def test_a_file_behind_two_dashes_keeps_its_name() -> None:
    _, values = _parsed(["predict", "--", "--turns"])

    assert [str(path) for path in values["paths"]] == ["--turns"]


@pytest.mark.parametrize(
    "line",
    [
        "train --run-dir R --resume --quiet",
        "studies work --job J",
        "rehearsal cost --job J",
        "evaluate --data D --bundle B --split auto --device cpu --job J",
        "submit --data D --bundle B --bundle C --device cpu --job J",
        "pack D --job J",
        "check D --job J",
        "errors --data D --probe --bundle B --device cpu --job J",
        "errors --data D --probe --imagenet --device auto --job J",
        "embed --data D --bundle B --device auto --umap --job J",
        "get pcam D --job J",
    ],
)
def test_processes_that_an_earlier_version_starts_are_understood(line: str) -> None:
    _, values = _parsed(line.split())

    assert values.get("job", values.get("run_dir")) in (Path("J"), Path("R"))
