"""Where Nodescope keeps what it makes."""

from pathlib import Path

import pytest

from core.storage.home import HOME_VARIABLE, home, make_folder, runs_home, tighten_home


def test_the_variable_chooses_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "a" / ".." / "b"))

    assert home() == tmp_path / "b"
    assert runs_home() == tmp_path / "b" / "runs"
    assert not home().exists()  # asking makes nothing


@pytest.mark.parametrize("value", ["", None])
def test_without_it_the_folder_is_in_the_users_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    if value is None:
        monkeypatch.delenv(HOME_VARIABLE)
    else:
        monkeypatch.setenv(HOME_VARIABLE, value)

    assert home() == tmp_path / ".nodescope"


def test_a_short_path_is_written_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(HOME_VARIABLE, "~/scope")

    assert home() == tmp_path / "scope"


def test_it_does_not_hang_on_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(HOME_VARIABLE, "here")

    assert home() == tmp_path / "here"
    assert home().is_absolute()


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    return tmp_path / "home"


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_home_is_for_its_owner_alone(top: Path) -> None:
    make_folder(top / "runs" / "first")
    assert _mode(top) == 0o700
    assert (top / "runs" / "first").is_dir()


def test_a_home_of_before_is_tightened_once(top: Path) -> None:
    tighten_home()
    assert not top.exists()
    top.mkdir(mode=0o755)
    top.chmod(0o755)
    tighten_home()
    assert _mode(top) == 0o700
    top.chmod(0o755)  # somebody shares it
    tighten_home()
    assert _mode(top) == 0o755


def test_a_home_that_a_group_writes_to_is_left_to_it(top: Path) -> None:
    top.mkdir()
    top.chmod(0o770)
    tighten_home()
    assert _mode(top) == 0o770
