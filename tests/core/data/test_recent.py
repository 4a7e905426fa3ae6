"""The data sets that were opened last."""

from pathlib import Path

import pytest

import core.data.recent as recent_module
from core.data.recent import NAME, recent, remember_opened
from core.storage import atomic
from core.storage.home import home


def test_the_last_one_comes_first_and_each_stands_once(fresh_home: Path) -> None:
    for source in ("/a", "/b", "/a"):
        remember_opened(source, "2 patches")
    assert [each.source for each in recent()] == ["/a", "/b"]


def test_what_another_process_opens_meanwhile_is_not_lost(fresh_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def while_another_opens_b(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        atomic.write_json(home() / NAME, [{"source": "/b", "found": "3 patches"}])

    monkeypatch.setattr(recent_module, "make_folder", while_another_opens_b)
    remember_opened("/a", "2 patches")
    assert [each.source for each in recent()] == ["/a", "/b"]
