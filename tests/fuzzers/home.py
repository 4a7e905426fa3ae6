"""A home folder with a run, studies, a pack and stored predictions, made by version 0.1: see test_earlier_home.py."""

import os
import shutil
import tarfile
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from core.commands import main
from core.data import pack_folder
from core.storage.home import HOME_VARIABLE

ARCHIVE = Path(__file__).parents[1] / "data" / "home-0.1.tar.xz"
RUN = "20251101-120000-notebook"
OTHER = "two-folds-fold-1"


def unpack(folder: Path) -> Path:
    """Unpack the home folder and its data, make it the one in use, and return it."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    home, data = folder / "home", folder / "patches"
    os.environ[HOME_VARIABLE] = str(home)
    for path in home.rglob("*"):
        if path.suffix in (".json", ".csv", ".txt"):
            text = path.read_text("utf-8")
            path.write_text(text.replace("/data/patches", str(data)).replace("/data/home", str(home)), "utf-8")
    (pack,) = (home / "packs").iterdir()
    shutil.move(pack, pack_folder(str(data)))
    return home


def run_commands(*lines: list[str]) -> tuple[str, bool]:
    """Run commands and return what they print, and whether all ended well."""
    out, err, well = StringIO(), StringIO(), True
    with redirect_stdout(out), redirect_stderr(err):
        for words in lines:
            well &= main(words) == 0
    return out.getvalue(), well
