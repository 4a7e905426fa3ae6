"""The card of a bundle: everything about it but its weights."""

from dataclasses import dataclass, field, replace
from typing import Any

from core.bundle.operating_curve import OperatingCurve
from core.data.dataset import CLASS_NAMES
from core.data.store import PATCH_SIZE
from core.errors import BundleError
from core.evaluation import Calibration, Evaluation

INTENDED_USE = (
    "Research and teaching on 96×96 H&E patches of lymph nodes at about 0.97 µm per pixel. Not a medical device; not "
    "for diagnosis."
)


@dataclass(frozen=True)
class Measurement:
    """How a bundle did on one split of one data set.

    Attributes:
        data: name of the data set.
        fingerprint: :meth:`core.data.Dataset.fingerprint` of it.
        split: "test" (kept away) or "valid" (chose epoch, temperature and threshold: optimistic).
        evaluation: the metrics with their intervals.
    """

    data: str
    fingerprint: str
    split: str
    evaluation: Evaluation

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "data": self.data,
            "fingerprint": self.fingerprint,
            "part": self.split,
            "evaluation": self.evaluation.to_json(),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Measurement":
        """Return what :meth:`to_json` gave."""
        return cls(value["data"], value["fingerprint"], value["part"], Evaluation.from_json(value["evaluation"]))


@dataclass(frozen=True)
class Card:
    """Everything about a bundle but its weights.

    Attributes:
        name: what the user calls it.
        model: name in the registry of networks.
        arguments: what :func:`models.build` takes for it.
        mean: subtracted from the three colours of pixels in [0, 1].
        std: divides them afterwards.
        calibration: maps the logit to a probability.
        threshold: from this probability on the verdict is tumour; chosen on validation patches.
        training: where the weights come from: data, split, settings, versions.
        measured: metrics on splits of data sets.
        notes: remarks for its users, such as known limits.
        operating: sensitivity and specificity in validation at every threshold, or None where they were not kept.
    """

    name: str
    model: str
    arguments: dict[str, Any]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    calibration: Calibration
    threshold: float
    training: dict[str, Any] = field(default_factory=dict)
    measured: tuple[Measurement, ...] = ()
    notes: tuple[str, ...] = ()
    operating: OperatingCurve | None = None

    @property
    def tested(self) -> Evaluation | None:
        """The metrics on the first test split that was measured; None where there is none."""
        return next((each.evaluation for each in self.measured if each.split == "test"), None)

    def with_changes(self, **changes: Any) -> "Card":
        """Return a copy with some values replaced."""
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, classes and intended use included."""
        return {
            "name": self.name,
            "model": self.model,
            "arguments": self.arguments,
            "preprocessing": {"mean": list(self.mean), "std": list(self.std), "size": PATCH_SIZE, "range": [0, 1]},
            "classes": list(CLASS_NAMES),
            "temperature": self.calibration.temperature,
            "bias": self.calibration.bias,
            "threshold": self.threshold,
            "training": self.training,
            "measured": [measurement.to_json() for measurement in self.measured],
            "notes": list(self.notes),
            "operating": None if self.operating is None else self.operating.to_json(),
            "intended_use": INTENDED_USE,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Card":
        """Return the card that :meth:`to_json` gave.

        Raises:
            BundleError: a value is missing or of another kind.
        """
        try:
            if tuple(value["classes"]) != CLASS_NAMES:
                raise BundleError(f"The bundle's classes are {value['classes']}; this version knows {CLASS_NAMES}.")
            red, green, blue = (float(number) for number in value["preprocessing"]["mean"])
            red_std, green_std, blue_std = (float(number) for number in value["preprocessing"]["std"])
            return cls(
                name=str(value["name"]),
                model=str(value["model"]),
                arguments=dict(value["arguments"]),
                mean=(red, green, blue),
                std=(red_std, green_std, blue_std),
                calibration=Calibration(temperature=float(value["temperature"]), bias=float(value["bias"])),
                threshold=float(value["threshold"]),
                training=dict(value["training"]),
                measured=tuple(Measurement.from_json(item) for item in value["measured"]),
                notes=tuple(value["notes"]),
                operating=None if value.get("operating") is None else OperatingCurve.from_json(value["operating"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                f"The bundle's card is incomplete or damaged ({type(error).__name__}: {error})."
            ) from error
