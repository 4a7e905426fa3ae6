"""What is found in files, folders and zips, in which order and under which ids, and what is refused."""

import io
import os
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import NodescopeError, PatchError, Problem
from core.images.decode import decode_patch
from core.images.discover import Found, find_patches, patches_in_memory
from core.images.limits import UPLOAD_LIMITS, Limits
from core.images.names import display_name


def image(value: int = 100, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((96, 96, 3), value, np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def put(path: Path, data: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def ids(found: Found) -> list[str]:
    return [file.id for file in found.files]


# --- files and folders -----------------------------------------------------------------------------


def test_arguments_keep_their_order_and_folders_are_sorted_with_files_first(tmp_path: Path) -> None:
    for name in ("b.tif", "a.png", "z/c.jpg", "m/e.webp", "m/deep/d.tif"):
        put(tmp_path / "set" / name)
    last, first = put(tmp_path / "zz.tif"), put(tmp_path / "aa.tif")
    found = find_patches([last, tmp_path / "set", first])
    assert ids(found) == ["zz", "a", "b", "e", "d", "c", "aa"]
    assert [file.name for file in found.files] == [
        "zz.tif",
        "a.png",
        "b.tif",
        "m/e.webp",
        "m/deep/d.tif",
        "z/c.jpg",
        "aa.tif",
    ]
    assert found.problems == []


def test_a_kaggle_file_keeps_its_id(tmp_path: Path) -> None:
    put(tmp_path / "00006537328c33e284c973d7b39d340809f7271b.tif")
    assert ids(find_patches([str(tmp_path)])) == ["00006537328c33e284c973d7b39d340809f7271b"]


def test_hidden_files_and_plain_non_images_are_left_out_without_a_word(tmp_path: Path) -> None:
    silent = (
        ".hidden.png",
        ".git/x.png",
        "__MACOSX/a.png",
        "labels.csv",
        "notes.TXT",
        ".DS_Store",
        "README",
        "Thumbs.db",
    )
    for name in (*silent, "a.png", "odd.xyz", "no_suffix", "old.gif"):
        put(tmp_path / name)
    found = find_patches([tmp_path])
    assert ids(found) == ["a", "no_suffix", "odd", "old"]
    assert found.problems == []


def test_a_file_that_is_named_is_tried_whatever_it_is_called(tmp_path: Path) -> None:
    odd = [
        put(tmp_path / ".hidden", image(7)),
        put(tmp_path / "patch.csv", image(8)),
        put(tmp_path / "x.png", image(9, "TIFF")),
    ]
    found = find_patches(odd)
    assert [decode_patch(f.read(), name=f.name).pixels[0, 0, 0] for f in found.files] == [7, 8, 9]
    assert [f.name for f in found.files] == [".hidden", "patch.csv", "x.png"]


def test_a_missing_path_and_an_empty_folder_are_problems_and_the_rest_goes_on(tmp_path: Path) -> None:
    good = put(tmp_path / "good.png", image())
    (tmp_path / "empty").mkdir()
    put(tmp_path / "only" / "labels.csv")
    missing, empty, only = tmp_path / "gone.tif", tmp_path / "empty", tmp_path / "only"
    found = find_patches([missing, empty, only, good, "a\0b"])
    assert ids(found) == ["good"]
    assert [problem.name for problem in found.problems] == [str(missing), str(empty), str(only), "a\ufffdb"]
    told = [problem.reason for problem in found.problems]
    assert "no such file or folder" in told[0]
    assert "no image in this folder" in told[1]
    assert "no image in this folder" in told[2]
    assert "no such file" in told[3]


def test_locked_folders_and_files_are_problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's refusal is imitated, because an administrator may read everything."""
    put(tmp_path / "set" / "a.png", image())
    put(tmp_path / "set" / "locked" / "b.png", image())
    named = put(tmp_path / "named.png")
    real_scandir, real_open = os.scandir, os.open

    def scandir(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return real_scandir(path)

    def open_(path: str | Path, *args: int) -> int:
        if Path(path).name in ("named.png", "a.png"):
            raise PermissionError(13, "Permission denied", str(path))
        return real_open(path, *args)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(os, "open", open_)
    found = find_patches([tmp_path / "set", named])
    assert ids(found) == ["a"]
    assert [p.reason.split(";")[0] for p in found.problems] == ["You have no permission to read this"] * 2
    assert found.problems[0].name.endswith("locked")
    with pytest.raises(PatchError, match=r"^a\.png: You have no permission to read this; .*\.$"):
        found.files[0].read()


def test_a_file_that_vanishes_or_grows_is_told_when_it_is_read(tmp_path: Path) -> None:
    gone, large = put(tmp_path / "gone.png"), put(tmp_path / "large.png", bytes(1001))
    found = find_patches([gone, large], limits=Limits(max_file_bytes=1000))
    gone.unlink()
    with pytest.raises(PatchError, match=r"gone\.png: There is no such file"):
        found.files[0].read()
    with pytest.raises(PatchError, match=r"large\.png: The file is larger than"):
        found.files[1].read()
    large.write_bytes(bytes(1000))
    assert found.files[1].read() == bytes(1000)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_pipes_and_links_neither_block_nor_loop(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    put(tmp_path / "sub" / "a.png", image())
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    (tmp_path / "broken.png").symlink_to(tmp_path / "nowhere")
    found = find_patches([tmp_path, tmp_path / "pipe.png"])
    assert ids(found) == ["broken", "a"]
    assert [problem.name for problem in found.problems] == [str(tmp_path / "sub" / "up"), str(tmp_path / "pipe.png")]
    assert "This folder is a link" in found.problems[0].reason
    assert "neither a file nor a folder" in found.problems[1].reason
    with pytest.raises(PatchError, match="no such file"):
        found.files[0].read()


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    for i in range(300):
        put(tmp_path / f"{i}.tif", bytes(30_000))
    tracemalloc.start()
    found = find_patches([tmp_path])
    current, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.files) == 300
    assert current < 1_000_000  # the files hold 9 MB


# --- ids -------------------------------------------------------------------------------------------


def test_equal_stems_are_told_apart_by_their_folders_then_by_suffix_then_by_number(tmp_path: Path) -> None:
    for name in ("one/x.tif", "two/x.tif", "two/y.tif", "x.tif", "p.png", "p.tif"):
        put(tmp_path / "set" / name)
    single = put(tmp_path / "set" / "one" / "q.tif")
    found = find_patches([tmp_path / "set", single, single])
    assert ids(found) == [
        "set__p.png",
        "set__p.tif",
        "x",
        "one__q",
        "one__x",
        "two__x",
        "y",
        "one__q.tif",
        "one__q.tif (2)",
    ]


def test_two_folders_with_the_same_files_get_their_own_names_in_front(tmp_path: Path) -> None:
    put(tmp_path / "A" / "x.tif")
    put(tmp_path / "B" / "x.tif")
    assert ids(find_patches([tmp_path / "A", tmp_path / "B"])) == ["A__x.tif", "B__x.tif"]


def test_a_numbered_id_never_takes_that_of_another_file() -> None:
    found = patches_in_memory([("x.png", b"1"), ("x.png", b"2"), ("x.png (2).tif", b"3")])
    assert ids(found) == ["x.png", "x.png (3)", "x.png (2)"]
    assert [f.read() for f in found.files] == [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd.png", "C:\\x\\y.png", "a\nb.png", "\u202egnp.png", "...png", "<b>|.png", "=1+1.png"],
)
def test_ids_and_names_are_harmless_text(name: str) -> None:
    for found in (
        patches_in_memory([(name, image())]),
        patches_in_memory([("z.zip", zipped({"d/" + name: image()}))]),
    ):
        for file in found.files:
            assert not set('/\\:*?"<>|\n\u202e') & set(file.id)
            assert file.id.strip(". ")
            assert file.name.isprintable()
            assert ".." not in file.name.split("/")


def test_undecodable_and_direction_changing_characters_are_replaced() -> None:
    assert display_name("a\udcff\u202eb\tc") == "a\ufffd\ufffdb\ufffdc"
    assert len(display_name("x" * 9999)) == 500


# --- limits and problems ---------------------------------------------------------------------------


def test_the_limits_take_the_real_data_set() -> None:
    assert Limits().max_zip_members >= 220_025
    assert Limits().max_zip_bytes >= 220_025 * 27_900
    assert UPLOAD_LIMITS.max_zip_members >= 57_458
    assert UPLOAD_LIMITS.max_zip_bytes >= 57_458 * 27_900


def test_a_problem_takes_the_sentence_of_an_error_without_its_name() -> None:
    error: NodescopeError
    try:
        decode_patch(b"", name="a: b.png")
    except PatchError as error:
        problem = Problem.from_error("a: b.png", error)
    assert problem.reason == "The file is empty (0 bytes); save or download it again."
    assert str(problem) == "a: b.png: The file is empty (0 bytes); save or download it again."
