"""The images in a zip, checked before and while they are unpacked.

Member names are text from a stranger: they are shown and become ids, but no path on this computer is ever
made from one and nothing is unpacked to disk. The whole zip is refused when it is damaged, has too many
members, or would unpack to too much (a bomb); single members are refused when they are encrypted, packed in
an unusual way, too large, or zips themselves.

The sizes that a zip declares may be lies. A declared size that is too large is refused at once; one that is
too small cannot do harm, because a member is unpacked in pieces of 1 MiB and no further than it declares,
where its checksum is then found wrong. So what was counted beforehand bounds what is ever unpacked.
"""

import errno
import io
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from core.images.limits import MIB, Limits
from core.images.names import is_hidden, is_no_image

# Below this a high ratio is no danger: forty blank patches reach a ratio of 300 and 1 MiB.
_RATIO_FROM_BYTES = 64 * MIB
# A directory entry takes 46 bytes and its name; more than this on average is no honest zip.
_MAX_ENTRY_BYTES = 512
_PIECE = MIB
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
# What zipfile raises on damaged archives, by 60,000 random changes to zips.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    ValueError,
    OverflowError,
)


class ArchiveError(Exception):
    """A sentence on why a zip or a member cannot be used, without its name; never leaves this room."""


class Archive:
    """A checked zip.

    Attributes:
        members: The images, in the order of a folder with the same files: a cleaned path, only to be shown or made
            into an id, and what :meth:`read` takes.
        refused: (member name, sentence) for what cannot be used; the name is "" where it concerns several
            members.

    Raises:
        ArchiveError: The zip as a whole cannot be used.
    """

    def __init__(self, source: bytes | Path, *, limits: Limits) -> None:
        self._limits = limits
        try:
            with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as file:
                packed = file.seek(0, io.SEEK_END)
                _check_directory(file, packed, limits.max_zip_members)
            self._zip = zipfile.ZipFile(source if isinstance(source, Path) else io.BytesIO(source))
        except _DAMAGE as error:
            raise ArchiveError("The zip is damaged or cut off; pack it again or copy it again.") from error
        except OSError as error:
            raise ArchiveError(os_reason(error)) from error
        self.members: list[tuple[PurePosixPath, zipfile.ZipInfo]] = []
        self.refused: list[tuple[str, str]] = []
        self._sort(packed)

    def read(self, info: zipfile.ZipInfo) -> bytes:
        """Unpack one member in pieces, so that no more than it declares is ever held.

        Raises:
            ArchiveError: It is damaged, or its size is not the one that it declares.
        """
        pieces = bytearray()
        try:
            with self._zip.open(info) as stream:
                while piece := stream.read(_PIECE):
                    pieces += piece
        except (*_DAMAGE, OSError) as error:
            raise ArchiveError("This file is damaged inside the zip; pack it again.") from error
        if len(pieces) != info.file_size:
            raise ArchiveError("This file is cut off inside the zip; pack it again.")
        return bytes(pieces)

    def _sort(self, packed: int) -> None:
        """Divide the members into images, refused ones and those that are silently skipped."""
        infos = self._zip.infolist()
        _check_count(len(infos), self._limits.max_zip_members)
        encrypted = 0
        for path, info in sorted(((_clean(i.filename), i) for i in infos), key=lambda pair: _order(pair[0])):
            # Not info.is_dir(): in Python 3.11 it fails on an empty name.
            is_folder = info.filename.endswith(("/", "\\"))
            if is_folder or any(map(is_hidden, path.parts)) or is_no_image(path.name):
                continue
            if info.flag_bits & _ENCRYPTED:
                encrypted += 1
            elif reason := self._refusal(path, info):
                self.refused.append((str(path), reason))
            else:
                self.members.append((path, info))
        if encrypted:
            files = "1 file is" if encrypted == 1 else f"{encrypted:,} files are"
            self.refused.append(("", f"{files} encrypted; unpack the zip with its password and pack it without one."))
        self._check_sizes(packed)

    def _refusal(self, path: PurePosixPath, info: zipfile.ZipInfo) -> str:
        if path.suffix.lower() == ".zip":
            return "This is a zip inside a zip; unpack it and give it on its own."
        if info.compress_type not in _METHODS:
            return (
                f"This file is packed with method {info.compress_type}, but only stored and deflated files "
                "are read; pack it as a plain zip."
            )
        if info.file_size > self._limits.max_file_bytes:
            return (
                f"This file unpacks to {info.file_size / MIB:,.0f} MiB, but at most "
                f"{self._limits.max_file_bytes / MIB:,.0f} MiB are read; cut the patch out of it first."
            )
        return ""

    def _check_sizes(self, packed: int) -> None:
        unpacked = sum(info.file_size for _, info in self.members)
        if unpacked > self._limits.max_zip_bytes:
            raise ArchiveError(
                f"The zip unpacks to {unpacked / MIB:,.0f} MiB, but at most "
                f"{self._limits.max_zip_bytes / MIB:,.0f} MiB are read; divide it into several zips."
            )
        if unpacked > _RATIO_FROM_BYTES and unpacked > self._limits.max_zip_ratio * packed:
            raise ArchiveError(
                f"The zip unpacks to {unpacked / packed:,.0f} times its size, but images reach at most "
                f"{self._limits.max_zip_ratio:g} times; check where it comes from and unpack it yourself."
            )


def os_reason(error: OSError | ValueError) -> str:
    """Say what the system refused, without the path that its own message carries."""
    if isinstance(error, FileNotFoundError | NotADirectoryError | ValueError):
        return "There is no such file or folder; check the spelling."
    if isinstance(error, IsADirectoryError):
        return "This is a folder with the name of an image; rename it, or move its files out."
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "This is a link that leads to itself; replace it by the file that was meant."
    if isinstance(error, PermissionError):
        return "You have no permission to read this; change its permissions or copy it elsewhere."
    return f"It cannot be read ({error.strerror or type(error).__name__}); check the drive and copy it again."


def _clean(name: str) -> PurePosixPath:
    """Keep the names of folders and file only: no root, no drive, no way upwards."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return PurePosixPath(*(parts or ["unnamed"]))


def _order(path: PurePosixPath) -> list[tuple[bool, str]]:
    """Sort key: the files of a folder by name, then its sub-folders by name."""
    return [*((True, part) for part in path.parts[:-1]), (False, path.name)]


def _check_count(count: int, allowed: int) -> None:
    if count > allowed:
        raise ArchiveError(
            f"The zip has {count:,} members, but at most {allowed:,} are read; divide it into several zips."
        )


def _check_directory(file: io.BufferedReader | io.BytesIO, size: int, allowed: int) -> None:
    """Refuse a zip by the length of its directory, before millions of entries are read into memory.

    Source: PKWARE APPNOTE 6.3.10, sections 4.3.14 to 4.3.16 (end records of zip64 and zip).
    """
    # The end record (22 bytes) and its comment (up to 65,535), behind zip64's record (56) and its locator (20).
    tail_start = max(0, size - (1 << 16) - 22 - 76)
    file.seek(tail_start)
    tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0:
        raise zipfile.BadZipFile("no end record")
    count, length = struct.unpack_from("<HI", tail, end + 10)
    zip64 = tail.rfind(b"PK\x06\x06", 0, end)
    if (count == 0xFFFF or length == 0xFFFFFFFF) and zip64 >= 0:
        count, length = struct.unpack_from("<QQ", tail, zip64 + 32)
    _check_count(count, allowed)
    if length > allowed * _MAX_ENTRY_BYTES:
        raise ArchiveError(
            f"The directory of the zip takes {length / MIB:,.1f} MiB, which no ordinary zip needs; pack it again."
        )
