"""Folders as people have them: what can be taken is taken, and what cannot is named with its cause and an example."""

import codecs
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from core.commands import main
from core.data import choose_rule, make_pack, open_dataset
from core.data.readers.pcam import x_file
from core.errors import DataError
from tests.core.data.people import IDS, image, kaggle, pcam

Write = Callable[[Path], None]

TAKEN: dict[str, tuple[dict[str, object], tuple[str, ...]]] = {
    "suffix": ({"ids": ("a1.tif", "B2.TIF", "c3.tiff"), "names": ("a1.tif", "B2.tif", "c3.tif")}, IDS),
    "other suffix than the file's": ({"ids": ("a1.tif", "B2.tif"), "names": ("a1.png", "B2.jpg")}, ("a1", "B2")),
    "suffix in capitals": ({"ids": IDS, "names": ("a1.TIF", "B2.Png", "c3.JPEG")}, IDS),
    "case": ({"ids": ("A1", "b2", "C3"), "names": ("a1.tif", "B2.tif", "c3.tif")}, IDS),
    "path": ({"ids": ("train/a1.tif", "./B2.tif", "/home/x/c3.tif"), "names": ("a1.tif", "B2.tif", "c3.tif")}, IDS),
    "Windows path": ({"ids": (r"C:\data\a1.tif", r"train\B2.tif"), "names": ("a1.tif", "B2.tif")}, ("a1", "B2")),
    "accent": ({"ids": ("caf\u00e9",), "names": ("cafe\u0301.tif",)}, ("cafe\u0301",)),
    "dots": ({"ids": ("a.1", "a.1.tif.2"), "names": ("a.1.tif", "a.1.tif.2.tif")}, ("a.1", "a.1.tif.2")),
    "labels as numbers": ({"labels": "id,label\na1,1.0\nB2,0.0\nc3,01\n"}, IDS),
    "decimal comma": ({"labels": "id;label\na1;1,0\nB2;0,0\nc3;1\n"}, IDS),
    "semicolons": ({"labels": "id;label\na1;1\nB2;0\nc3;1\n"}, IDS),
    "tabs": ({"labels": "id\tlabel\na1\t1\nB2\t0\nc3\t1\n"}, IDS),
    "bars": ({"labels": "id|label\na1|1\nB2|0\nc3|1\n"}, IDS),
    "blanks": ({"labels": "id label\na1 1\nB2   0\nc3 1\n"}, IDS),
    "Excel's first line": ({"labels": "sep=;\nid;label\na1;1\nB2;0\nc3;1\n"}, IDS),
    "empty first lines": ({"labels": "\n\nid,label\na1,1\nB2,0\nc3,1\n"}, IDS),
    "headers in capitals": ({"labels": "ID,Label\na1,1\nB2,0\nc3,1\n"}, IDS),
    "index column": ({"labels": ",id,label\n0,a1,1\n1,B2,0\n2,c3,1\n"}, IDS),
    "old Mac lines": ({"labels": "id,label\ra1,1\rB2,0\rc3,1\r"}, IDS),
}


@pytest.mark.parametrize("case", TAKEN)
def test_what_can_be_taken_is_taken(tmp_path: Path, case: str) -> None:
    made, ids = TAKEN[case]
    dataset = open_dataset(kaggle(tmp_path / "set", **made))  # type: ignore[arg-type]

    assert tuple(dataset.table["id"]) == ids
    assert dataset.labels(range(len(ids))).tolist() == [1, 0, 1][: len(ids)]
    assert dataset.left_out() == ""


@pytest.mark.parametrize("separator", ",;\t")
@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""), ("utf-8-sig", b""), ("utf-16", b""), ("utf-16-le", b""), ("utf-16-be", b""),
        ("utf-16-be", codecs.BOM_UTF16_BE), ("utf-32", b""), ("cp1252", b""),
    ],
)  # fmt: skip
def test_labels_are_read_in_any_usual_encoding(tmp_path: Path, encoding: str, mark: bytes, separator: str) -> None:
    text = "id,label,remark\r\na1,1,f\u00fcr\r\nB2,0,\r\nc3,1,\r\n".replace(",", separator)
    (kaggle(tmp_path) / "train_labels.csv").write_bytes(mark + text.encode(encoding))

    assert tuple(open_dataset(tmp_path).table["id"]) == IDS


NAMED: dict[str, tuple[dict[str, object], int, str]] = {
    "lost zeros": (
        {"ids": ("7", "12", "c3"), "names": ("007.tif", "0012.tif", "c3.tif")},
        1,
        r"2 without a file \(such as 7: .*holds 007.tif: a spreadsheet made a number of the id and lost its zeros",
    ),
    "numbers with decimals": ({"ids": ("7.0", "c3"), "names": ("7.tif", "c3.tif")}, 1, r"holds 7.tif: a spreadsheet"),
    "rounded numbers": (
        {"ids": ("1.0E+15", "c3"), "names": ("1000000000000123.tif", "c3.tif")},
        1,
        r"\(1.0E\+15: .*rounded number of the id, whose digits are lost",
    ),
    "sub-folders": (
        {"ids": IDS, "names": ("normal/a1.tif", "tumour/B2.tif", "c3.tif")},
        1,
        r"2 without a file \(such as a1: .*lies in a sub-folder, train/normal/a1.tif. Move it",
    ),
    "a suffix of another kind": (
        {"ids": ("a1", "c3"), "names": ("a1.bmp", "c3.tif")},
        1,
        r"train/a1.bmp is none of .tif",
    ),
    "case of two files": (
        {"ids": ("xX", "c3"), "names": ("xx.tif", "XX.tif", "c3.tif")},
        1,
        "differ from it in upper and lower case only",
    ),
    "one name in two folders": (
        {"labels": "id,label\ns1/a1,1\ns2/a1,1\nB2,0\n", "ids": ("a1", "B2")},
        1,
        r"1 of several files of one name \(a1: lines 2, 3 of train_labels.csv name files of this name in different",
    ),
    "a word for a label": (
        {"labels": "id,label\na1,1\nB2,normal\nc3,0\n"},
        2,
        r"1 with a label other than .*'normal' in line 3",
    ),
    "two labels": ({"labels": "id,label\na1,1\na1.tif,0\nB2,1\nc3,0\n"}, 2, r"1 with two labels \(a1: lines 2, 3"),
    "no label": ({"ids": ("a1",), "names": ("a1.tif", "d4.tif", "e5.tif")}, 1, r"2 without a label \(such as d4"),
    "an image in a sub-folder": (
        {"ids": ("a1",), "names": ("a1.tif", "more/d4.tif")},
        1,
        r"1 in sub-folders of train/ \(train/more/d4.tif",
    ),
}


@pytest.mark.parametrize("test", [False, True], ids=["", "with test/"])
@pytest.mark.parametrize("case", NAMED)
def test_what_cannot_be_taken_is_named_with_its_cause(tmp_path: Path, case: str, test: bool) -> None:
    made, used, words = NAMED[case]
    folder = kaggle(tmp_path / "set", **made)  # type: ignore[arg-type]
    if test:
        image(folder / "test" / "t.tif")
    dataset = open_dataset(folder)

    assert int(dataset.table["label"].notna().sum()) == used
    assert re.search(words, dataset.left_out()), dataset.left_out()


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"ids": ("7",), "names": ("007.tif",)}, "lost its zeros"),
        ({"ids": ("a1",), "names": ("tumour/a1.tif",)}, "lies in a sub-folder, train/tumour/a1.tif"),
        ({"ids": ("a1",), "names": ("zzz.tif",)}, "its files are named such as zzz.tif"),
        ({"ids": ("a1",), "names": ("x.txt.bmp",)}, "which holds no image"),
    ],
)
def test_where_nothing_matches_training_says_why_also_with_a_test_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], made: dict[str, object], words: str
) -> None:
    folder = kaggle(tmp_path / "set", **made)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=words):
        open_dataset(folder)

    image(folder / "test" / "t.tif")
    for command in ("train", "evaluate", "lr-find"):
        out = ["--out", str(tmp_path / "c.csv")] if command == "lr-find" else []
        assert main([command, "--data", str(folder), *out]) in (1, 2)
        said = capsys.readouterr()
        assert words in said.out + said.err, command


def _slides(folder: Path, slides: int, tumour: int = 60, *, name: str = "s") -> Path:
    lines = [f"p{n},{int(n < tumour)},{name}{n % slides}" for n in range(120)]
    kaggle(folder, tuple(f"p{n}" for n in range(120)), labels="id,label,slide\n" + "\n".join(lines))
    return folder


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda f: _slides(f, 1), "one slide, s0, and a split by slide"),
        (lambda f: _slides(f, 2, name="t"), "2 slides only, and a split by slide"),
        (lambda f: _slides(f, 40, tumour=1), "has 119 normal and 1 tumour patches: label more"),
        (
            lambda f: [image(path, 224) for path in (_slides(f, 40) / "train").iterdir()],
            "patches that it would use cannot be read, such as p",
        ),
    ],
    ids=["one slide", "two slides", "one tumour", "224 pixels"],
)
def test_a_split_that_lacks_a_class_says_what_the_data_set_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Write, words: str
) -> None:
    make(tmp_path / "set")

    assert main(["train", "--data", str(tmp_path / "set"), "--epochs", "1"]) == 1
    said = capsys.readouterr()
    assert words in said.out + said.err


@pytest.mark.parametrize("command", ["embed", "evaluate", "label-errors", "lr-find", "train"])
def test_patches_of_another_size_are_named_by_every_command_that_reads_them(
    tmp_path: Path, fresh_home: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    for path in (_slides(tmp_path / "set", 40) / "train").iterdir():
        image(path, 224)
    out = ["--out", str(tmp_path / "x.csv")] if command in ("embed", "lr-find") else []

    assert main([command, "--data", str(tmp_path / "set"), *out]) in (1, 2)
    said = capsys.readouterr()
    assert "224×224 pixels" in said.out + said.err


def test_every_command_names_what_was_left_out_once(
    tmp_path: Path, fresh_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = tuple(f"p{n}" for n in range(160))
    labels = "\n".join(f"{name},{('x' if n % 4 == 3 else n % 2)}" for n, name in enumerate(names))
    folder = str(kaggle(tmp_path / "set", names, labels=f"id,label\n{labels}\nmissing,1\n"))
    words = "set: 120 patches are used and 41 left out: 40 with a label other than 0 and 1 (such as p3: its label must"
    out = ["--out", str(tmp_path / "out.csv")]
    for command in (
        ["check", folder], ["split", "--data", folder], ["evaluate", "--data", folder, "--subset", "all"],
        ["embed", "--data", folder, *out], ["label-errors", "--data", folder], ["pack", folder, "--workers", "1"],
        ["check", folder, "--json"], ["submit", "--data", folder, *out],
    ):  # fmt: skip
        main(command)
        said = capsys.readouterr()
        assert said.err.count(words) == 1, command
        assert words not in said.out
    main(["train", "--data", folder, "--run-dir", str(tmp_path / "run")])
    assert words in capsys.readouterr().out
    assert (tmp_path / "run" / "log.txt").read_text().count(words) == 1
    main(["train", "--data", folder, "--run-dir", str(tmp_path / "quiet"), "--quiet"])
    assert words not in "".join(capsys.readouterr())
    assert (tmp_path / "quiet" / "log.txt").read_text().count(words) == 1


def test_half_a_pcam_file_counts_as_left_out(tmp_path: Path) -> None:
    folder = pcam(tmp_path / "pcam", {"train": 5, "valid": 3, "test": 2})
    whole = x_file(folder, "train").stat().st_size
    os.truncate(x_file(folder, "train"), whole // 2)

    dataset = open_dataset(folder)

    assert len(dataset) == 5
    assert dataset.left_out().startswith("pcam: 5 patches are used and 5 left out: 5 of the train split (")
    cut = f"train_x.h5 is cut off: {whole // 2:,} of {whole:,} bytes are there. Download it again"
    assert cut in dataset.left_out()


def test_a_remark_is_nothing_left_out(tmp_path: Path) -> None:
    folder = kaggle(tmp_path, labels="id,label\na1,1\na1,1\nB2,0\nc3,1\n")

    dataset = open_dataset(folder)

    assert [problem.name for problem in dataset.problems] == ["a1"]
    assert dataset.left_out() == ""


@pytest.mark.parametrize("name", ["about.json", "table.npz", "check.npz", "decisions.csv"])
def test_a_file_of_the_home_that_may_not_be_read_is_not_called_damaged(
    tmp_path: Path, fresh_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    folder = kaggle(tmp_path / "set")
    make_pack(open_dataset(folder, raw=True))
    main(["check", str(folder)])
    real = Path.open

    def checked(path: Path, *rest: object, **more: object) -> object:
        if path.name == name:
            raise PermissionError(13, "Permission denied")
        return real(path, *rest, **more)  # type: ignore[call-overload]

    if name == "decisions.csv":
        next(fresh_home.glob("packs/*/about.json")).with_name(name).write_text("id,decision,label,reason\n")
    monkeypatch.setattr(Path, "open", checked)
    capsys.readouterr()

    assert main(["split" if name != "check.npz" else "check", "--data", str(folder)]) == 2
    said = capsys.readouterr().err
    assert f"{name} cannot be read: Permission denied. Check its permissions" in said
    assert "damaged" not in said
    assert "Delete" not in said


def test_advice_on_slides_is_about_the_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["split", "--data", str(pcam(tmp_path / "pcam", {"train": 200}))])
    said = capsys.readouterr().out
    assert "camelyonpatch_level_2_split_train_meta.csv" in said
    assert "patch_id_wsi_full" not in said
    main(["split", "--data", str(kaggle(tmp_path / "kaggle", tuple(f"p{n}" for n in range(200))))])
    assert "patch_id_wsi_full.csv (columns id, wsi)" in capsys.readouterr().out
    assert main(["leak", "--data", str(tmp_path / "pcam")]) == 2
    assert "camelyonpatch_level_2_split_train_meta.csv" in capsys.readouterr().err


@pytest.mark.parametrize("slides", [1, 2])
def test_an_empty_test_split_holds_for_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], slides: int) -> None:
    folder = _slides(tmp_path / "set", slides)
    assert choose_rule(open_dataset(folder)).by == "slide"
    main(["split", "--data", str(folder)])
    said = capsys.readouterr().out
    assert "hold for new slides" not in said
    assert f"This data set of {slides} slides is too small for this split" in said
