"""Readers of other packages: the example of docs/READERS.md, installed and used."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data import make_pack, open_dataset, read
from core.data.readers import readers
from core.errors import DataError

GUIDE = Path(__file__).resolve().parents[4] / "docs" / "READERS.md"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path of modules, in which a package can be installed."""
    folder = tmp_path / "site"
    (folder / "cases-1.0.dist-info").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(folder))
    readers.cache_clear()
    yield folder
    readers.cache_clear()
    sys.modules.pop("cases", None)


def _install(site: Path, code: str) -> None:
    (site / "cases.py").write_text(code)
    (site / "cases-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: cases\nVersion: 1.0\n")
    (site / "cases-1.0.dist-info" / "entry_points.txt").write_text("[nodescope.readers]\ncases = cases\n")


def test_the_example_of_the_guide_reads_its_layout(site: Path, tmp_path: Path, fresh_home: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert len(example.splitlines()) <= 25
    _install(site, example)
    for number, name in enumerate(("c7_T_1.png", "c7_N_2.png", "c8_N_3.png")):
        (tmp_path / "set" / "cases").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((96, 96, 3), number, np.uint8)).save(tmp_path / "set" / "cases" / name)

    dataset = open_dataset(tmp_path / "set")

    assert dataset.kind == "cases"
    assert dataset.table["id"].to_list() == ["c7_N_2", "c7_T_1", "c8_N_3"]
    assert dataset.labels([0, 1, 2]).tolist() == [0, 1, 0]
    assert dataset.table["patient"].to_list() == ["c7", "c7", "c8"]
    make_pack(open_dataset(tmp_path / "set", raw=True))
    assert read(open_dataset(tmp_path / "set").store, [0, 1, 2])[:, 0, 0, 0].tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("NAME = 'x'", r"lacks EXAMPLE, recognises, watched, read"),
        ("import gone", r"cannot be loaded: No module named"),
    ],
)
def test_a_faulty_reader_is_named(site: Path, tmp_path: Path, code: str, words: str) -> None:
    _install(site, code)

    with pytest.raises(DataError, match=f"The reader cases \\(cases\\) {words}"):
        open_dataset(tmp_path)
