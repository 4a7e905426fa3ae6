"""The card of a bundle: everything about it but its weights."""

from dataclasses import dataclass, field, replace
from typing import Any

from core.bundle.card_schema import CARD
from core.bundle.operating_curve import OperatingCurve
from core.data.dataset import CLASS_NAMES
from core.data.store import PATCH_SIZE
from core.errors import BundleError
from core.evaluation import Calibration, Evaluation
from core.stain import StainReference, reference_from_json, reference_to_json

INTENDED_USE = (
    "Research and teaching on 96×96 H&E patches of lymph nodes at about 0.97 µm per pixel. Not a medical device; not "
    "for diagnosis."
)

SLIDE_SPECIFICITIES = 0.955, 0.995
"""Shares of the normal validation patches below the two thresholds for slides, see :attr:`Card.slide_thresholds`."""


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
        stain: what the colours of a patch are brought to before the network sees it, see :mod:`core.stain`; None leaves
            them as they are.
        package: name and version of the package that the network comes with; None for Nodescope's own.
        slide_threshold: what cards of earlier versions hold for single patches of slides. It is kept, so that these
            bundles keep their digests, and used nowhere: :attr:`slide_thresholds` find more at fewer false alarms.
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
    stain: StainReference | None = None
    package: tuple[str, str] | None = None
    slide_threshold: float | None = None

    @property
    def prevalence(self) -> float | None:
        """The share of tumour in validation, which the probabilities are calibrated for; None where it is not kept."""
        counts = [(each.evaluation.positives, each.evaluation.n) for each in self.measured if each.split == "valid"]
        if self.operating is not None:
            counts = [(self.operating.positives, self.operating.positives + self.operating.negatives)]
        return counts[0][0] / counts[0][1] if counts else None

    @property
    def slide_thresholds(self) -> tuple[float, float]:
        """The probabilities from which on the cells of an area on a slide count, and one of them at least must reach.

        Nearly all tissue of a slide is normal, so that both lie above :attr:`threshold`; without a validation curve
        they are that.
        """
        curve = self.operating
        if curve is None:
            return self.threshold, self.threshold
        return tuple(max(self.threshold, curve.sparing(each)) for each in SLIDE_SPECIFICITIES)  # type: ignore[return-value]

    @property
    def tested(self) -> Evaluation | None:
        """The metrics on the first test split that was measured; None where there is none."""
        return next((each.evaluation for each in self.measured if each.split == "test"), None)

    def with_changes(self, **changes: Any) -> "Card":
        """Return a copy with some values replaced."""
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Return plain values as :data:`core.bundle.card_schema.CARD` describes them."""
        # Only where there is one, so that other bundles keep their digest.
        stain = {} if self.stain is None else {"stain": reference_to_json(self.stain)}
        return {
            "name": self.name,
            "model": self.model,
            "arguments": self.arguments,
            "preprocessing": {
                "mean": list(self.mean),
                "std": list(self.std),
                "size": PATCH_SIZE,
                "range": [0, 1],
                **stain,
            },
            "classes": list(CLASS_NAMES),
            "temperature": self.calibration.temperature,
            "bias": self.calibration.bias,
            "threshold": self.threshold,
            "training": self.training,
            "measured": [measurement.to_json() for measurement in self.measured],
            "notes": list(self.notes),
            "operating": None if self.operating is None else self.operating.to_json(),
            "intended_use": INTENDED_USE,
            # Left out where there is none: an earlier bundle must keep the digest that stored predictions refer to.
            **({} if self.package is None else {"package": dict(zip(("name", "version"), self.package, strict=True))}),
            **({} if self.slide_threshold is None else {"slide_threshold": self.slide_threshold}),
        }

    @classmethod
    def from_json(cls, value: Any) -> "Card":
        """Return the card that :meth:`to_json` gave.

        Raises:
            BundleError: a value is missing, out of its range or of another kind.
        """
        try:
            read = CARD.read(value, "")
            stain = read["preprocessing"].get("stain")
            reference = None if stain is None else reference_from_json(stain)
        except ValueError as error:
            raise BundleError(f"The bundle's card is incomplete or damaged: {error}. Copy the bundle again.") from error
        if tuple(read["classes"]) != CLASS_NAMES:
            raise BundleError(f"The bundle's classes are {read['classes']}; this version knows {CLASS_NAMES}.")
        red, green, blue = map(float, read["preprocessing"]["mean"])
        red_std, green_std, blue_std = map(float, read["preprocessing"]["std"])
        return cls(
            name=read["name"],
            model=read["model"],
            arguments=read["arguments"],
            mean=(red, green, blue),
            std=(red_std, green_std, blue_std),
            calibration=Calibration(temperature=float(read["temperature"]), bias=float(read["bias"])),
            threshold=float(read["threshold"]),
            training=read["training"],
            measured=tuple(map(Measurement.from_json, read["measured"])),
            notes=tuple(read["notes"]),
            operating=None if read.get("operating") is None else OperatingCurve.from_json(read["operating"]),
            stain=reference,
            package=(read["package"]["name"], read["package"]["version"]) if "package" in read else None,
            slide_threshold=read.get("slide_threshold"),
        )
