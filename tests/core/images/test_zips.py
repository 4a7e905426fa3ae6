"""Zips, whose members become patches like files of a folder, and what makes a zip be refused."""

import io
import random
import struct
import time
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import PatchError
from core.images.discover import Found, find_patches, patches_in_memory
from core.images.limits import Limits
from core.images.names import unique_ids
from core.images.zips import Archive, ArchiveError


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


def patches_in_zip(data: bytes, *, name: str, **limits: Limits) -> Found:
    return patches_in_memory([(name, data)], **limits)


def ids(found: Found) -> list[str]:
    return [file.id for file in found.files]


def reasons(found: Found) -> dict[str, str]:
    return {problem.name: problem.reason for problem in found.problems}


def test_a_zip_gives_what_the_same_folder_gives(tmp_path: Path) -> None:
    members = {
        "b.tif": image(1),
        "m/e.png": image(2),
        "a.png": image(3),
        "m/deep/d.png": image(4),
        "l/c.png": image(5),
        "labels.csv": b"1",
        "__MACOSX/._a.png": b"2",
        "m/.DS_Store": b"3",
    }
    for name, data in members.items():
        put(tmp_path / "set" / name, data)
    path = put(tmp_path / "set.zip", zipped(members))
    folder, archive = find_patches([tmp_path / "set"]), find_patches([path])
    assert ids(archive) == ids(folder) == ["a", "b", "c", "e", "d"]
    assert [f.read() for f in archive.files] == [f.read() for f in folder.files]
    assert [f.name for f in archive.files] == [f"set.zip/{f.name}" for f in folder.files]
    assert archive.problems == folder.problems == []
    assert ids(patches_in_zip(path.read_bytes(), name="up.zip")) == ids(folder)


def test_a_zip_is_told_by_its_content_as_well(tmp_path: Path) -> None:
    path = put(tmp_path / "upload.bin", zipped({"a.png": image()}))
    assert [f.name for f in find_patches([path]).files] == ["upload.bin/a.png"]


def test_uploads_may_be_mixed() -> None:
    found = patches_in_memory(
        [("b.png", image(1)), ("s.zip", zipped({"a.png": image(2), "b.png": image(3)})), ("c.txt", b"no")]
    )
    assert ids(found) == ["b.png", "a", "s__b.png", "c"]
    assert [f.read() for f in found.files] == [image(1), image(2), image(3), b"no"]
    tight = patches_in_memory([("b.png", bytes(11)), ("c.png", bytes(10))], limits=Limits(max_file_bytes=10))
    assert (ids(tight), [p.name for p in tight.problems]) == (["c"], ["b.png"])


def test_an_uploaded_folder_gives_the_names_and_ids_that_its_path_gives(tmp_path: Path) -> None:
    for name in ("x.png", "a/x.png", "a/y.png", "b/x.png"):
        put(tmp_path / "slides" / name)
    uploaded = patches_in_memory([(f"slides/{name}", image()) for name in ("x.png", "a/x.png", "a/y.png", "b/x.png")])
    found = find_patches([tmp_path / "slides"])
    assert [(f.id, f.name) for f in uploaded.files] == [(f.id, f.name) for f in found.files]
    assert [f.name for f in uploaded.files] == ["x.png", "a/x.png", "a/y.png", "b/x.png"]
    assert ids(uploaded) == ["x", "a__x", "y", "b__x"]


def test_a_zip_inside_a_folder_or_a_zip_is_refused_with_a_sentence(tmp_path: Path) -> None:
    put(tmp_path / "a.png", image())
    put(tmp_path / "more.zip", zipped({"b.png": image()}))
    found = find_patches([tmp_path])
    assert ids(found) == ["a"]
    assert reasons(found) == {"more.zip": "This zip lies inside a folder; name it itself to have it read."}
    nested = patches_in_zip(zipped({"a.png": image(), "in.ZIP": zipped({"b.png": image()})}), name="n.zip")
    assert ids(nested) == ["a"]
    assert reasons(nested) == {"n.zip/in.ZIP": "This is a zip inside a zip; unpack it and give it on its own."}


def test_member_names_never_become_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    evil = {
        "../../up.png": image(1),
        "/etc/root.png": image(2),
        "C:\\win\\drive.png": image(3),
        "ok/../../side.png": image(4),
    }
    found = patches_in_zip(zipped(evil), name="evil.zip")
    assert sorted(ids(found)) == ["drive", "root", "side", "up"]
    assert sorted(f.name for f in found.files) == [
        "evil.zip/C:/win/drive.png",
        "evil.zip/etc/root.png",
        "evil.zip/ok/side.png",
        "evil.zip/up.png",
    ]
    assert all(
        f.read() == evil[key]
        for f, key in zip(
            sorted(found.files, key=lambda f: f.id),
            ["C:\\win\\drive.png", "/etc/root.png", "ok/../../side.png", "../../up.png"],
            strict=True,
        )
    )
    assert list(tmp_path.iterdir()) == []


def test_a_member_without_a_name_is_still_read() -> None:
    data = bytearray(zipped({"q": image(5)}))
    data[30] = data[data.index(b"PK\x01\x02") + 46] = 0  # zipfile ends a name at a null character
    (file,) = patches_in_zip(bytes(data), name="s.zip").files
    assert (file.id, file.name, file.read()) == ("unnamed", "s.zip/unnamed", image(5))


def test_empty_zips_and_zips_without_images_are_problems() -> None:
    assert "no image in this zip" in reasons(patches_in_zip(zipped({}), name="e.zip"))["e.zip"]
    assert "no image in this zip" in reasons(patches_in_zip(zipped({"a.csv": b"1"}), name="e.zip"))["e.zip"]


def encrypted(data: bytes) -> bytes:
    """Set the encryption bit of every entry, as a zip with a password has it (APPNOTE 6.3.10, 4.4.4)."""
    mutable = bytearray(data)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = mutable.find(signature)
        while at >= 0:
            mutable[at + offset] |= 1
            at = mutable.find(signature, at + 4)
    return bytes(mutable)


def test_encrypted_members_are_one_problem() -> None:
    found = patches_in_zip(encrypted(zipped({"a.png": image(), "b.png": image()})), name="s.zip")
    assert found.files == []
    assert reasons(found) == {
        "s.zip": "2 files are encrypted; unpack the zip with its password and pack it without one."
    }


@pytest.mark.parametrize(("method", "number"), [(zipfile.ZIP_BZIP2, 12), (zipfile.ZIP_LZMA, 14)])
def test_unusual_packing_is_refused_because_it_cannot_be_bounded(method: int, number: int) -> None:
    found = patches_in_zip(zipped({"a.png": image()}, method), name="s.zip")
    assert f"method {number}" in reasons(found)["s.zip/a.png"]


def test_a_damaged_zip_is_a_problem_and_the_rest_goes_on(tmp_path: Path) -> None:
    whole = zipped({"a.png": image(), "b.png": image()})
    for number, data in enumerate((b"", b"PK\x03\x04", whole[:200], whole[:-30], b"no zip at all")):
        bad, good = put(tmp_path / f"{number}.zip", data), put(tmp_path / "good.png")
        found = find_patches([bad, good])
        assert ids(found) == ["good"]
        assert reasons(found) == {f"{number}.zip": "The zip is damaged or cut off; pack it again or copy it again."}


def test_a_damaged_member_is_told_when_it_is_read() -> None:
    data = bytearray(zipped({"a.png": image(1), "b.png": image(2)}, zipfile.ZIP_STORED))
    data[data.index(b"IDAT") + 10] ^= 255
    first, second = patches_in_zip(bytes(data), name="s.zip").files
    with pytest.raises(PatchError, match=r"^s\.zip/a\.png: This file is damaged inside the zip; pack it again\.$"):
        first.read()
    assert second.read() == image(2)


def test_a_zip_that_is_gone_when_it_is_opened_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="no such file"):
        Archive(tmp_path / "none.zip", limits=Limits())


def test_too_many_members_too_many_bytes_and_too_high_a_ratio_refuse_the_zip() -> None:
    ten = zipped({f"{i}.png": bytes(1000) for i in range(10)})
    assert len(patches_in_zip(ten, name="t.zip", limits=Limits(max_zip_members=10, max_zip_bytes=10_000)).files) == 10
    count = patches_in_zip(ten, name="t.zip", limits=Limits(max_zip_members=9))
    assert (count.files, reasons(count)["t.zip"]) == (
        [],
        "The zip has 10 members, but at most 9 are read; divide it into several zips.",
    )
    total = patches_in_zip(ten, name="t.zip", limits=Limits(max_zip_bytes=9_999))
    assert total.files == []
    assert "divide it" in reasons(total)["t.zip"]
    bomb = zipped({f"{i}.tif": bytes(7_000_000) for i in range(10)})
    ratio = patches_in_zip(bomb, name="b.zip")
    assert ratio.files == []
    assert "times its size" in reasons(ratio)["b.zip"]
    assert len(patches_in_zip(bomb, name="b.zip", limits=Limits(max_zip_ratio=1100)).files) == 10


def test_blank_patches_pack_well_and_are_no_bomb() -> None:
    blank = zipped({f"{i}.tif": bytes(27_900) for i in range(40)})
    assert 40 * 27_900 / len(blank) > 100
    assert len(patches_in_zip(blank, name="b.zip").files) == 40


def test_a_member_that_is_too_large_is_refused_and_the_others_go_on() -> None:
    found = patches_in_zip(
        zipped({"a.png": bytes(999), "b.png": bytes(1000), "c.png": bytes(1001)}),
        name="s.zip",
        limits=Limits(max_file_bytes=1000),
    )
    assert ids(found) == ["a", "b"]
    assert list(reasons(found)) == ["s.zip/c.png"]


def test_a_member_that_lies_about_its_size_is_unpacked_no_further_than_it_says() -> None:
    """100 MB behind a declared 1,000 bytes: zipfile's own read() would unpack all before cutting it off."""
    data = bytearray(zipped({"a.png": bytes(100_000_000)}))
    at = data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 24, 1000)
    struct.pack_into("<I", data, at + 16, zlib.crc32(bytes(100_000_000)))
    (file,) = patches_in_zip(bytes(data), name="liar.zip").files
    tracemalloc.start()
    with pytest.raises(PatchError, match="damaged inside the zip"):
        file.read()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8_000_000


def test_a_directory_out_of_proportion_is_refused_before_it_is_read() -> None:
    data = bytearray(zipped({"a.png": image()}))
    struct.pack_into("<I", data, len(data) - 10, 5_000_000)
    found = patches_in_zip(bytes(data), name="d.zip", limits=Limits(max_zip_members=100))
    assert "directory of the zip takes 4.8 MiB" in reasons(found)["d.zip"]


def test_changed_zips_raise_nothing_but_patch_errors() -> None:
    whole, rng = zipped({"a.png": image(1), "d/b.tif": image(2, "TIFF"), "c.csv": b"1"}), random.Random(4)
    complete = failed = 0
    for _ in range(1500):
        data = bytearray(whole[: rng.randrange(len(whole))] if rng.random() < 0.1 else whole)
        for _ in range(rng.choice((1, 2, 8))):
            if data:
                data[rng.choice((rng.randrange(len(data)), -1 - rng.randrange(min(250, len(data)))))] = rng.randrange(
                    256
                )
        found = patches_in_zip(bytes(data), name="f.zip")
        for file in found.files:
            try:
                file.read()
                complete += 1
            except PatchError:
                failed += 1
        assert found.files or found.problems
    assert complete > 300
    assert failed > 300


def test_many_members_of_one_name_take_linear_time() -> None:
    """13 minutes for 59,000 of them, when each began to count at 2 again."""
    begin = time.perf_counter()
    ids = unique_ids([("x", "x", "x.png")] * 59_000)
    assert time.perf_counter() - begin < 5
    assert (ids[0], ids[1], ids[-1]) == ("x.png", "x.png (2)", "x.png (59000)")
    assert unique_ids([("x", "x", "x"), ("x", "x", "x"), ("x (2)", "x (2)", "x (2)")]) == ["x", "x (3)", "x (2)"]
