"""Which file an id of a table means, and why an id means none.

Tables come from spreadsheets, notebooks and other computers: their ids end in .tif, carry the path of another machine,
or differ in upper and lower case. Such ids are taken where only one file can be meant.
"""

import os
import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property

from core.data.image_files import SUFFIXES, ImageFiles

_ROUNDED = re.compile(r"\d([.,]\d+)?E\+?\d+", re.IGNORECASE)
_NUMBER = re.compile(r"0*(\d+)(\.0+)?")


class Matcher:
    """Finds the file of an id among those of a folder.

    Args:
        files: of the folder.
        name: of the folder, for sentences.
        elsewhere: files of test/, to say that one lies there.
    """

    def __init__(self, files: ImageFiles, *, name: str, elsewhere: ImageFiles):
        self._files, self._name, self._elsewhere = files, name, elsewhere

    def find(self, given: str) -> str:
        """Return the id of the file that is meant, as its name has it, or "" where no or more than one file is."""
        return given if given in self._files.taken else self._by_key.get(key_of(given)) or ""

    def why_none(self, given: str) -> str:
        """Return why :meth:`find` found no file, and what to do: the end of a sentence about the id."""
        key, folder = key_of(given), self._name
        if key in self._by_key:
            return f"several files in {folder}/ differ from it in upper and lower case only"
        if not self._files.is_there:
            return f"there is no folder {folder}/ beside the table. Put it there"
        if key in self._keys_elsewhere:
            return f"its file lies in test/. Move it to {folder}/"
        if key in self._nested:
            return f"its file lies in a sub-folder, {folder}/{self._nested[key]}. Move it into {folder}/ itself"
        if key in self._others:
            return f"its file {folder}/{self._others[key]} is none of {', '.join(SUFFIXES)}. Save it as .png"
        number = _NUMBER.fullmatch(key)
        if number and number[1] in self._by_number:
            return (
                f"{folder}/ holds {self._by_number[number[1]]}: a spreadsheet made a number of the id and lost its "
                "zeros. Take the table as it was, or save its ids as text"
            )
        if _ROUNDED.fullmatch(key):
            return (
                "a spreadsheet made a rounded number of the id, whose digits are lost. Take the table as it was, or "
                "save its ids as text"
            )
        return f"there is no such file in {folder}/"

    def hint(self) -> str:
        """Return what the files are called instead, where no id means any: the end of what :meth:`why_none` says."""
        if not self._files.is_there:
            return ""
        names = [os.path.basename(path) for path in self._files.taken.values()] or list(self._files.nested.values())
        return f"; its files are named such as {names[0]}" if names else ", which holds no image"

    @cached_property
    def _keys_elsewhere(self) -> set[str]:
        return {key_of(patch_id) for patch_id in self._elsewhere.taken}

    @cached_property
    def _by_key(self) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for patch_id in self._files.taken:
            key = key_of(patch_id)
            found[key] = None if key in found else patch_id
        return found

    @cached_property
    def _by_number(self) -> dict[str, str]:
        return {
            number[1]: os.path.basename(path)
            for patch_id, path in self._files.taken.items()
            if (number := _NUMBER.fullmatch(patch_id))
        }

    @cached_property
    def _nested(self) -> dict[str, str]:
        return {key_of(stem): path for stem, path in self._files.nested.items()}

    @cached_property
    def _others(self) -> dict[str, str]:
        return {key_of(stem): name for stem, name in self._files.others.items()}


def key_of(given: str) -> str:
    """Return an id without folders, the suffix of an image, case, and the ways to write an accent."""
    name = given.replace("\\", "/").rstrip("/").rpartition("/")[2]
    stem, suffix = os.path.splitext(name)
    return unicodedata.normalize("NFC", stem if suffix.lower() in SUFFIXES else name).casefold()


def folders_of(given: Iterable[str]) -> set[str]:
    """Return the folders that ids carry; an id without one counts for nothing."""
    return {head for each in given if (head := each.replace("\\", "/").rpartition("/")[0])}
