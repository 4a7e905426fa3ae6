"""The probabilities of a slide as ``map.npz`` keeps them: everything that is measured or drawn follows from it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from core.storage.npz import save_arrays, stored_arrays
from core.storage.schema import Number, Table, Text

FILE = "map.npz"
VERSION = 1

_ABOUT = Table(
    {
        "key": Text(), "bundle": Text(), "mpp": Number(1e-6, 1e6), "examined": Number(0, 1e12, whole=True),
        "unlike": Number(0, 1e12, whole=True), "blurred": Number(0, 1e12, whole=True), "pen_mm2": Number(0, 1e12),
    },
    {"engine": Text()},
)  # fmt: skip
_NAMES = (*_ABOUT.required, *_ABOUT.optional)


@dataclass(frozen=True, eq=False)
class SlideMap:
    """Probabilities on a grid of cells that tile a slide.

    Attributes:
        probability: float16 rows×columns, NaN where there is no tissue.
        origin: level-0 (x, y) of the first cell's upper left corner.
        step: side of a cell in level-0 pixels.
        mpp: µm per level-0 pixel.
        bundle: digest of the bundle.
        ood: float16 rows×columns, OOD score of the cells that were examined, else NaN.
        examined: number of cells that were examined.
        unlike: number of these that are out of distribution.
        blurred: number of these that are blurred.
        pen_mm2: ink on the slide.
        key: of all that the map depends on; the same key is the same map.
        engine: what predicted, see :attr:`core.prediction.predictor.Predictor.kind`; empty in maps of before 0.3.
    """

    probability: npt.NDArray[np.float16]
    origin: tuple[float, float]
    step: float
    mpp: float
    bundle: str
    ood: npt.NDArray[np.float16]
    examined: int
    unlike: int
    blurred: int
    pen_mm2: float
    key: str
    engine: str = ""

    @property
    def cell_mm(self) -> float:
        """Side of a cell in mm."""
        return self.step * self.mpp / 1000

    def middle(self, row: int, column: int) -> tuple[float, float]:
        """Return level-0 (x, y) of the middle of a cell."""
        return self.origin[0] + (column + 0.5) * self.step, self.origin[1] + (row + 0.5) * self.step

    def cell_at(self, x: float, y: float) -> tuple[int, int] | None:
        """Return (row, column) of the cell that covers a level-0 place, or None outside the grid."""
        column, row = (int((at - start) // self.step) for at, start in zip((x, y), self.origin, strict=True))
        rows, columns = self.probability.shape
        return (row, column) if 0 <= row < rows and 0 <= column < columns else None

    def at(self, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """Return the probability at level-0 places, float32 (len(y), len(x)); NaN where there is none.

        Args:
            x: of each column.
            y: of each row.
        """
        column, row = (
            np.floor((at - start) / self.step).astype(int) for at, start in zip((x, y), self.origin, strict=True)
        )
        rows, columns = self.probability.shape
        found = self.probability[np.clip(row, 0, rows - 1)[:, None], np.clip(column, 0, columns - 1)].astype(np.float32)
        found[(row < 0) | (row >= rows)] = np.nan
        found[:, (column < 0) | (column >= columns)] = np.nan
        return np.asarray(found)

    def save(self, folder: Path) -> None:
        """Write ``map.npz``. Raises :class:`StorageError`."""
        about = {"version": VERSION, **{name: getattr(self, name) for name in _NAMES}}
        save_arrays(
            folder / FILE, about, probability=self.probability, origin=np.array(self.origin), step=np.array(self.step),
            bundle=np.array(self.bundle), ood=self.ood,
        )  # fmt: skip

    @classmethod
    def load(cls, folder: Path) -> "SlideMap | None":
        """Return what :meth:`save` wrote, or None if there is no map of this version.

        Raises:
            DataError: it is damaged.
        """
        remedy = "Delete it and predict the slide again."
        with stored_arrays(folder / FILE, remedy=remedy, only={"version": VERSION}) as stored:
            if stored is None:
                return None
            about, arrays = _ABOUT.read(stored[0], ""), stored[1]
            probability, origin, step, ood = (arrays[name] for name in ("probability", "origin", "step", "ood"))
        if probability.ndim != 2 or ood.shape != probability.shape or origin.shape != (2,) or not step > 0:
            raise DataError(f"{folder / FILE} is damaged (its arrays do not fit together). {remedy}")
        named = {name: about[name] for name in _NAMES if name in about}
        place = float(origin[0]), float(origin[1])
        return cls(probability.astype(np.float16), place, float(step), ood=ood.astype(np.float16), **named)
