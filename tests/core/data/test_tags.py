"""Tags are kept for each data set, whoever writes them, and a damaged file is named."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.data.tags import change_tag, tags_of, tags_path
from core.errors import DataError

pytestmark = pytest.mark.usefixtures("fresh_home")


def test_a_tag_is_given_and_taken(tmp_path: Path) -> None:
    source = str(tmp_path)
    assert tags_of(source) == {}
    assert change_tag(source, ["b", "a"], " look again ", on=True) == "look again"
    change_tag(source, ["a"], "=fat", on=True)
    assert tags_of(source) == {"=fat": ("a",), "look again": ("a", "b")}
    assert "'=fat" in tags_path(source).read_text()  # no formula for a spreadsheet
    change_tag(source, ["a", "x"], "look again", on=False)
    change_tag(source, ["a"], "=fat", on=False)
    assert tags_of(source) == {"look again": ("b",)}


def test_what_was_tagged_stays_in_the_file_with_who_and_when(tmp_path: Path) -> None:
    path = tags_path(str(tmp_path))
    path.parent.mkdir(parents=True)
    path.write_text("id,tag\na,fat\n")  # of an earlier version
    change_tag(str(tmp_path), ["b", "b"], "fat", on=True, by="Anna")
    change_tag(str(tmp_path), ["a"], "fat", on=False, by="Ben")
    assert [line.rsplit(",", 1)[0] for line in path.read_text().splitlines()] == [
        "id,tag,given,by", "a,fat,,", "b,fat,,Anna", "a,fat,no,Ben",
    ]  # fmt: skip
    assert tags_of(str(tmp_path)) == {"fat": ("b",)}


def test_people_who_tag_at_once_all_count(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as people:
        list(people.map(lambda number: change_tag(str(tmp_path), [f"p{number}"], "fat", on=True), range(24)))
    assert len(tags_of(str(tmp_path))["fat"]) == 24


@pytest.mark.parametrize("tag", ["", "  ", "a" * 41, "esc\x1b", "two\nlines"])
def test_a_tag_that_cannot_be_shown_is_refused(tmp_path: Path, tag: str) -> None:
    with pytest.raises(DataError, match="1 to 40 printable characters"):
        change_tag(str(tmp_path), ["a"], tag, on=True)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"id\na\n", b"name,word\na,b\n", b'id,tag\n"a'])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tags_path(str(tmp_path))
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"tags\.csv cannot be read"):
        tags_of(str(tmp_path))
    with pytest.raises(DataError, match=r"tags\.csv cannot be read"):
        change_tag(str(tmp_path), ["a"], "fat", on=True)
    assert path.read_bytes() == content
