"""What a person chose for a data set: which class is tumour, how other sizes become patches, where its files lie.

It is kept as ``choices.json`` beside the pack of the data set (see :func:`core.data.pack_folder`), so that pages,
commands and runs open the data set in the same way from then on.
"""

import json
from dataclasses import dataclass

from core.data.pack_blocks import pack_folder
from core.errors import DataError, StorageError
from core.images.sizes import Size
from core.storage import atomic
from core.storage.home import make_folder
from core.storage.record import Record
from core.storage.schema import parse

NAME = "choices.json"


@dataclass(frozen=True)
class Choices(Record):
    """What a person chose; the defaults choose nothing.

    Attributes:
        tumour: names of the classes that are tumour.
        normal: names of those that are normal; what is neither is left out.
        size: how a picture that is no patch becomes one: "mpp" rescales it to 0.97 µm per pixel and takes its centre,
            "crop" takes its centre as it is, "resize" rescales the whole picture; "" refuses it unless its scale is
            known.
        mpp: µm per pixel of the pictures.
        enlarge: whether pictures may be enlarged by more than 1.3.
        root: the folder from which the paths of a table count.
    """

    tumour: tuple[str, ...] = ()
    normal: tuple[str, ...] = ()
    size: Size = ""
    mpp: float | None = None
    enlarge: bool = False
    root: str = ""

    def chosen(self) -> dict[str, object]:
        """Return what differs from the defaults, as plain values."""
        return {name: value for name, value in self.to_json().items() if value != NOTHING.to_json()[name]}

    def words(self) -> str:
        """Return the choices of classes and sizes in words; "" where nothing was chosen."""
        words = [
            f"{label}: {', '.join(names)}"
            for label, names in (("tumour", self.tumour), ("normal", self.normal))
            if names
        ]
        if self.size or self.mpp:
            how = {"crop": "cropped", "resize": "resized"}.get(self.size, "rescaled")
            words.append(f"other sizes {how}" + (f", {self.mpp:g} µm/px" if self.mpp else ""))
        return "; ".join(words)

    def stamp(self, *names: str) -> str:
        """Return a text that changes with the choices (of these names, or all); "" where nothing was chosen."""
        chosen = {name: value for name, value in self.chosen().items() if not names or name in names}
        return json.dumps(chosen, sort_keys=True) if chosen else ""


NOTHING = Choices()


def choices_of(source: str) -> Choices:
    """Return what was chosen for a data set. Raises :class:`DataError` if the file is damaged."""
    path = pack_folder(source) / NAME
    try:
        return Choices.from_json(parse(path.read_text("utf-8")))
    except FileNotFoundError:
        return NOTHING
    except PermissionError as error:
        raise DataError.unreadable(path, error) from error
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}). Delete it, and choose again.") from error


def remember(source: str, choices: Choices) -> None:
    """Keep what was chosen for a data set. Raises :class:`StorageError`."""
    folder = pack_folder(source)
    try:
        make_folder(folder)
    except OSError as error:
        raise StorageError(f"{folder} cannot be made: {error.strerror or error}.") from error
    atomic.write_json(folder / NAME, choices.to_json())
