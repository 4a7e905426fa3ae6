"""OpenSeadragon, which moves slides in the browser: fetched once as npm publishes it, and kept in the home folder.

It is BSD-licensed JavaScript of 0.3 MB. Nothing else is fetched, and no page loads anything from elsewhere.
"""

import base64
import hashlib
import io
import shutil
import subprocess
import tarfile
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from core.errors import DataError
from core.storage import atomic
from core.storage.home import home

VERSION = "6.1.1"
SHA512 = "g4iKe2q8B642SaBT3+x4ZF3/8b1TxPPydyjmtrOLgDrlYWMKd9ZXM+1Cb/xa9DVySkvs/7l6HR1nHKfD5F3Tsw=="
"""Of the package, as npm publishes it (``npm view openseadragon@6.1.1 dist.integrity``)."""

PUBLIC = "https://registry.npmjs.org/"
SECONDS = 30.0
MEMBERS = {
    "package/build/openseadragon/openseadragon.min.js": "openseadragon.min.js",
    "package/LICENSE.txt": "LICENSE.txt",
}


def openseadragon() -> Path | None:
    """Return the script, or None before it was fetched."""
    path = _folder() / "openseadragon.min.js"
    return path if path.is_file() else None


def fetch_openseadragon(package: Path | None = None) -> Path:
    """Fetch the package, verify its hash, and return the script.

    Args:
        package: the package as a file, for computers without a network: ``npm pack openseadragon@6.1.1``.

    Raises:
        DataError: it cannot be had, or is another than was published.
        StorageError: it cannot be written.
    """
    try:
        data = _download() if package is None else package.read_bytes()
    except OSError as error:
        raise DataError.unreadable(package or Path(), error) from error
    if base64.b64encode(hashlib.sha512(data).digest()).decode() != SHA512:
        raise DataError(f"This is not the package openseadragon {VERSION} as it was published; it was not used.")
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        for member, name in MEMBERS.items():
            file = archive.extractfile(member)
            atomic.write_bytes(_folder() / name, b"" if file is None else file.read())
    return _folder() / "openseadragon.min.js"


def _download() -> bytes:
    address = f"{_registry()}openseadragon/-/openseadragon-{VERSION}.tgz"
    try:
        with urlopen(address, timeout=SECONDS) as answer:  # the hash decides what is used
            data: bytes = answer.read()
    except (URLError, OSError, ValueError) as error:
        raise DataError(
            f"OpenSeadragon could not be fetched ({error}). On a computer with a network run `npm pack "
            f"openseadragon@{VERSION}`, and here `python -m core slide-viewer --package openseadragon-{VERSION}.tgz`."
        ) from error
    return data


def _registry() -> str:
    """Return the registry that npm is set to, where there is npm: behind a proxy it is the one that answers."""
    npm = shutil.which("npm")
    if npm is None:
        return PUBLIC
    try:
        told = subprocess.run([npm, "config", "get", "registry"], capture_output=True, text=True, timeout=SECONDS)
    except (OSError, subprocess.SubprocessError):
        return PUBLIC
    found = told.stdout.strip()
    return found.rstrip("/") + "/" if found.startswith("https://") else PUBLIC


def _folder() -> Path:
    return home() / "vendor" / f"openseadragon-{VERSION}"
