"""Slides of a folder, and where the results of each lie that a page asked for."""

import csv
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import ConfigError, DataError
from core.formatting import printable
from core.images.names import is_hidden
from core.job import Job
from core.slides.analyse import SlideJob, read_summary
from core.slides.cohort import state_of
from core.storage import atomic
from core.storage.home import home
from core.storage.record import typed
from core.storage.roots import is_allowed, require_allowed
from core.storage.schema import parse

SUFFIXES = (
    ".svs", ".tif", ".tiff", ".ndpi", ".mrxs", ".dcm", ".scn", ".bif", ".vms", ".vmu", ".svslide", ".png", ".jpg",
    ".jpeg",
)  # fmt: skip
"""Of slides and of plain pictures that may be looked at like one."""

QUEUED = "slides.json"

ANNOTATIONS = (".geojson", ".xml", ".json")


@dataclass(frozen=True)
class Results:
    """Where the results of a folder's slides by one bundle lie: a folder for each, as ``slide --out`` makes them.

    Attributes:
        path: the folder.
    """

    path: Path

    @classmethod
    def of(cls, folder: Path, *, bundle: str, step: int) -> "Results":
        """Return the place for a folder of slides, the digest of a bundle and a step in model pixels."""
        return cls(cls.place(folder) / f"{bundle}-{step}")

    @staticmethod
    def place(folder: Path) -> Path:
        """Return where all that belongs to a folder of slides is or will be."""
        return home() / "slides" / hashlib.sha256(str(folder).encode()).hexdigest()[:12]

    @property
    def mpp_path(self) -> Path:
        """The table of µm per pixel that people gave where files do not say; the same for all models."""
        return self.path.parent / "mpp.csv"

    @property
    def queue(self) -> Job:
        """The process that predicts slides one after the other."""
        return Job(self.path / ".queue")

    def folder(self, slide: Path) -> Path:
        """Return the folder of a slide."""
        return self.path / slide.stem

    def states(self, slides: Sequence[Path]) -> dict[Path, tuple[str, str]]:
        """Return a word on each slide and, where it failed, why: "done", "waiting", "40%", "failed", ""."""
        queued = self.queued()
        return {slide: self._state(slide, is_queued=slide.name in queued) for slide in slides}

    def _state(self, slide: Path, *, is_queued: bool) -> tuple[str, str]:
        word, why = state_of(self.folder(slide))
        return word or ("waiting" if is_queued else ""), why

    def put_in_queue(self, slides: Sequence[Path]) -> None:
        """Note which slides the queue is about to do. Raises :class:`StorageError`."""
        atomic.write_json(self.queue.path / QUEUED, [slide.name for slide in slides])
        for job in (SlideJob.of(self.folder(slide)) for slide in slides):
            if not job.status().is_active:  # else the end of an earlier attempt would be shown while the slide waits
                (job.path / "status.json").unlink(missing_ok=True)

    def queued(self) -> tuple[str, ...]:
        """Return the names of the slides that the queue does now. Raises :class:`RunError` where that is damaged."""
        if not self.queue.status().is_active:
            return ()
        path = self.queue.path / QUEUED
        return self.queue.understood(QUEUED, lambda: typed(tuple[str, ...], parse(path.read_text("utf-8")), "slides"))

    def summary(self, slide: Path) -> dict[str, Any] | None:
        """Return what was measured on a slide, or None. Raises :class:`DataError` where that is damaged."""
        return read_summary(self.folder(slide))


def slides_in(folder: Path) -> list[Path]:
    """Return the slides of a folder, by name; of DICOM files of one folder each counts, as they may be several slides.

    Raises:
        DataError: there is no such folder, or it cannot be read.
    """
    require_allowed(folder)
    try:
        return sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in SUFFIXES and not is_hidden(path.name) and is_allowed(path) and path.is_file()
        )
    except OSError as error:
        raise DataError.unreadable(folder, error) from error


def slides_of(paths: Sequence[Path]) -> list[Path]:
    """Return slides, and those of the folders among them, each once.

    Raises:
        DataError: a folder has none, or cannot be read.
    """
    found: list[Path] = []
    for path in (each.expanduser() for each in paths):
        those = slides_in(path) if path.is_dir() else [path]
        if not those:
            raise DataError(f"There is no slide in {printable(str(path))}.")
        found += those
    # By name: a link is a slide of its own.
    return list({os.path.abspath(each): each for each in found}.values())


def annotations_of(slide: Path) -> Path | None:
    """Return the file beside a slide, or in a folder "annotations" there, that has its name: outlines people made."""
    for folder in (slide.parent, slide.parent / "annotations"):
        for suffix in ANNOTATIONS:
            if (folder / f"{slide.stem}{suffix}").is_file():
                return folder / f"{slide.stem}{suffix}"
    return None


def mpp_given(text: str | None) -> float | dict[str, float] | None:
    """Return what ``--mpp`` says: a number for all slides, or one for each from a CSV with the columns slide,mpp.

    Raises:
        ConfigError: it is neither.
        DataError: the table cannot be read.
    """
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    path = Path(text).expanduser()
    if path.suffix.lower() != ".csv":
        raise ConfigError(
            f"--mpp must be µm per pixel, such as 0.25, or a CSV with the columns slide,mpp, got {text!r}."
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return {row["slide"].strip(): float(row["mpp"]) for row in csv.DictReader(file)}
    except OSError as error:
        raise DataError.unreadable(path, error) from error
    except (KeyError, TypeError, ValueError, AttributeError, csv.Error) as error:
        raise DataError(f"{path.name} must have the columns slide,mpp with a number in each row ({error}).") from error
