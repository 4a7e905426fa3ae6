"""OpenSeadragon is used as it was published or not at all."""

import base64
import hashlib
import io
import tarfile
from pathlib import Path
from urllib.error import URLError

import pytest

from core.errors import DataError
from core.slides import openseadragon
from core.slides.openseadragon import fetch_openseadragon


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package in npm's layout, but another one."""
    path = tmp_path / "package.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in (
            ("package/build/openseadragon/openseadragon.min.js", b"window.OpenSeadragon = 1"),
            ("package/LICENSE.txt", b"BSD"),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    return path


def test_another_package_is_refused_and_nothing_is_kept(package: Path, fresh_home: Path) -> None:
    with pytest.raises(DataError, match=r"not the package openseadragon 6\.\d+\.\d+ as it was published"):
        fetch_openseadragon(package)
    assert openseadragon.openseadragon() is None


def test_a_package_with_the_right_hash_is_kept_with_its_licence(
    package: Path, fresh_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha512(package.read_bytes()).digest()
    monkeypatch.setattr(openseadragon, "SHA512", base64.b64encode(digest).decode())
    script = fetch_openseadragon(package)
    assert script == openseadragon.openseadragon()
    assert script.read_bytes() == b"window.OpenSeadragon = 1"
    assert (script.parent / "LICENSE.txt").read_bytes() == b"BSD"


def test_without_a_network_it_says_what_to_do(fresh_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(openseadragon, "urlopen", refuse)
    with pytest.raises(DataError, match=r"no network.*npm pack openseadragon@.*slide-viewer --package"):
        fetch_openseadragon()


@pytest.mark.parametrize(
    ("told", "used"),
    [("https://npm.example.org/mirror\n", "https://npm.example.org/mirror/"), ("http://plain/\n", openseadragon.PUBLIC),
     ("undefined\n", openseadragon.PUBLIC)],
)  # fmt: skip
def test_the_registry_is_that_of_npm_if_it_is_a_safe_one(told: str, used: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Told:
        stdout = told

    monkeypatch.setattr(openseadragon.shutil, "which", lambda _: "/bin/npm")
    monkeypatch.setattr(openseadragon.subprocess, "run", lambda *_, **__: Told)
    assert openseadragon._registry() == used
