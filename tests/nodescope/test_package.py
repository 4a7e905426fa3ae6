"""What a package needs: one version, its command, tested versions, and the workflow that tests it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from core import __version__
from core.commands import COMMANDS
from nodescope.__main__ import COMPLETE

ROOT = Path(__file__).resolve().parents[2]


def _requirements(name: str) -> list[Requirement]:
    lines = (line.split("#")[0].strip() for line in (ROOT / name).read_text("utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-r")]


def test_the_version_is_the_same_wherever_it_stands() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "version" in settings["project"]["dynamic"]
    assert settings["tool"]["hatch"]["version"]["path"] == "core/__init__.py"
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert (
        re.search(r"^## (\d+\.\d+\.\d+) ", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)[1] == __version__
    )  # type: ignore[index]


def test_everything_that_is_needed_has_a_tested_version_that_is_allowed() -> None:
    tested = {each.name.lower(): next(iter(each.specifier)).version for each in _requirements("constraints.txt")}

    for each in (*_requirements("requirements.txt"), *_requirements("requirements-dev.txt")):
        assert each.specifier.contains(tested[each.name.lower()]), each.name


def test_what_the_viewer_needs_beside_python_is_in_the_package() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packed = settings["tool"]["hatch"]["build"]["only-include"]

    assert settings["project"]["scripts"] == {"nodescope": "nodescope.__main__:main"}
    assert packed == ["nodescope", "core", "models", "pages", "streamlit_app.py", ".streamlit/config.toml"]
    assert all((ROOT / name).exists() for name in packed)


def test_the_workflow_runs_what_make_runs_on_every_system() -> None:
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")

    commands = re.findall(r"\$\(BIN\)/(?:python -m )?((?:ruff|mypy|pytest)[^\n]*)", makefile)
    assert [each for each in commands if "--fix" not in each and each != "ruff format ."] == [
        "pytest -n auto", "ruff check .", "ruff format --check .", "mypy",
    ]  # fmt: skip
    for each in ("pytest -n auto", "ruff check .", "ruff format --check .", "mypy"):
        assert f"- run: python -m {each}\n" in workflow
    for each in ("ubuntu", "windows", "macos", '"3.11"', '"3.12"', '"3.13"', '"3.14"'):
        assert each in workflow


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("nodescope pre", ["predict"]), ("nodescope d", ["download", "doctor"]), ("nodescope zz", [])],
)
def test_a_shell_completes_commands(typed: str, offered: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"COMP_WORDS": typed, "COMP_CWORD": "1", COMPLETE: "bash_complete"}
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    found = subprocess.run([sys.executable, "-m", "nodescope"], cwd=ROOT, capture_output=True, text=True, check=True)

    assert [line.partition(",")[2] for line in found.stdout.split()] == offered


def test_the_command_says_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    found = subprocess.run([sys.executable, "-m", "nodescope"], cwd=ROOT, capture_output=True, text=True, check=True)

    assert found.stdout.startswith("Usage: nodescope [OPTIONS] COMMAND")
    assert all(name in found.stdout for commands in COMMANDS.values() for name in commands)
