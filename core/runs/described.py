"""What people write down about a run: its name, tags and notes, each in a text file that anybody may edit."""

from collections.abc import Iterable
from pathlib import Path

from core.data.tags import tag_name
from core.errors import RunError
from core.storage import atomic, portable
from core.work_folder import WorkFolder

LONGEST = 80
"""Characters of a name."""


def checked_title(title: str) -> str:
    """Return a name for people without blanks around it. Raises :class:`RunError` if it is too long or unprintable."""
    name = title.strip()
    if len(name) > LONGEST or not name.isprintable():
        raise RunError(f"A name needs at most {LONGEST} printable characters, got {title!r}.")
    return name


class Described(WorkFolder):
    """A work folder with the files ``name.txt``, ``tags.txt`` (a tag in each line), ``notes.txt`` and ``by.txt``.

    None of them changes what the work does, and the folder keeps its own name.
    """

    def title(self) -> str:
        """Return the name that people gave it, else that of its folder. Raises :class:`RunError` if unreadable."""
        return " ".join(self._text("name.txt").split()) or self.name

    def rename(self, title: str) -> None:
        """Give it another name for people; an empty one, or that of its folder, takes the name away.

        Raises:
            RunError: the name is too long or not printable, or the folder is gone.
            StorageError: it cannot be written.
        """
        name = checked_title(title)
        self._write_text("name.txt", "" if name == self.name else name)

    def started_by(self) -> str:
        """Return the name of who started it; empty where nobody had to say. Raises :class:`RunError` if unreadable."""
        return " ".join(self._text("by.txt").split())

    def write_started_by(self, name: str) -> None:
        """Note who started it. Raises :class:`StorageError`."""
        self._write_text("by.txt", name)

    def tags(self) -> tuple[str, ...]:
        """Return its tags in alphabetical order. Raises :class:`RunError` if they are unreadable."""
        return tuple(sorted({line.strip() for line in self._text("tags.txt").splitlines()} - {""}))

    def write_tags(self, tags: Iterable[str]) -> None:
        """Replace its tags.

        Raises:
            DataError: one is empty, too long or not printable.
            StorageError: they cannot be written.
        """
        self._write_text("tags.txt", "\n".join(sorted({tag_name(tag) for tag in tags})))

    def notes(self) -> str:
        """Return what people wrote down about it; empty if nothing. Raises :class:`RunError` if unreadable."""
        return self._text("notes.txt")

    def write_notes(self, text: str) -> None:
        """Replace the notes. Raises :class:`StorageError`."""
        self._write_text("notes.txt", text)

    def described_in(self) -> tuple[Path, ...]:
        """Return the files of all this, which need not be there."""
        return tuple(self.path / name for name in ("name.txt", "tags.txt", "notes.txt", "by.txt"))

    def _text(self, name: str) -> str:
        try:
            # An editor may have stored it in another encoding; a wrong letter is better than none at all.
            return portable.read_text(self.path / name, "replace")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise self.damaged(name, str(error.strerror)) from error

    def _write_text(self, name: str, text: str) -> None:
        atomic.write_text(self.place(name), text)
