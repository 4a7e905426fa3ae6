"""The settings of a run."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_type_hints

import models
from core.data.decisions import NONE
from core.data.open import DEMO
from core.data.split_rule import CHOICES
from core.device import NAMES, check_device
from core.errors import ConfigError, DeviceError
from core.runs.settings import SETTINGS
from core.storage.record import typed

Found = TypeVar("Found")
Balance = Literal["none", "weights", "sampling"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's colours, as torchvision's weights expect them."""

SIDE = "side"
"""The one argument of networks that is a setting too."""


def _check_settings(values: "Augmentation | TrainingConfig") -> None:
    """Check each value that stands in the table of settings. Raises :class:`ConfigError`."""
    for each in fields(values):
        if each.name in SETTINGS:
            SETTINGS[each.name].check(getattr(values, each.name))


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training patches that leave the label as it is.

    Attributes:
        symmetries: one of the eight flips and rotations by 90°.
        stain: standard deviation of the log of the factor on haematoxylin and on eosin.
        brightness: standard deviation of a shift of the optical density, the same for all colours.
        rotation: largest rotation about the centre in degrees; what comes in from outside is mirrored.
        blur: largest standard deviation of a Gaussian blur in pixels; each patch draws one between 0 and this.
        cutout: share of the patches that lose a square of 24×24 pixels, never one of the centre.
        moved: share of the patches that are moved by up to 32 pixels each way, so that other tissue lies in the centre;
            what comes in from outside is mirrored. They lose their label with it: only teachers teach them.
        zoom: how much larger or smaller a patch becomes at most, about its centre: 0.2 is 1.2 times either way.
        jpeg: share of the patches that are as from a JPEG file of quality 50 to 95.
        blended: share of the patches that up to half of another patch is laid over. Only teachers teach them.
    """

    symmetries: bool = True
    stain: float = 0.0
    brightness: float = 0.0
    rotation: float = 0.0
    blur: float = 0.0
    cutout: float = 0.0
    moved: float = 0.0
    zoom: float = 0.0
    jpeg: float = 0.0
    blended: float = 0.0

    @property
    def takes_labels(self) -> bool:
        """Whether some patches lose their label."""
        return self.moved > 0 or self.blended > 0

    def __post_init__(self) -> None:
        _check_settings(self)


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides what a run does; it goes to and from JSON.

    What a person chooses is described, with its limits, in :data:`core.runs.settings.SETTINGS`. Here stands the rest,
    and what a reader of the code needs besides.

    Attributes:
        data: "demo" or folders.
        validation_data: the number, from 1, of the data set whose validation split chooses epoch, temperature and
            threshold. It keeps its own split where it came with one for training and one for validation.
        decisions: "" stands for each data set's own decisions about patches, "none" for none, else the path of a file
            with them, see :mod:`core.data.decisions`.
        preset: what the other values started from.
        model_arguments: what the network's builder takes.
        mean: subtracted from pixels in [0, 1].
        std: divides them afterwards.
        head_learning_rate: None is as for the rest.
        weight_decay: of AdamW for matrices and filters; biases and norms have none. With Adam it is the L2 term.
        schedule: "one-cycle" warms up over a tenth, then follows a cosine to zero; "plateau" halves the rate when the
            validation loss has not fallen for `plateau_patience` epochs.
        label_smoothing: targets become this much / 2 and 1 - this much / 2.
        teachers: paths of bundle files, see :mod:`core.training.distillation`.
        ema: decay of the moving average of the weights that is validated and shipped.
        stain_reference: the path of a picture; "" stands for a typical training patch. A run keeps what was measured of
            it, so that a resumed one and its bundle use the same.
        precision: "auto" is bf16 on a GPU that computes in it, else fp32; "fp16" is for a GPU only.
        compile: "auto" tries torch.compile before the first step and goes on without it where there is no compiler;
            "gpu" does so for long runs on a GPU only.
        tracker: see :mod:`core.training.tracking`.
        seed: of order, augmentation, dropout and initial weights.
        split: "default" is the data set's own split, else slides together where they are known, else single patches.
            The others of :data:`core.data.split_rule.CHOICES` name a certain one; "patch" and "stratified" are
            optimistic for new slides, see :mod:`core.studies.split_leakage`. Or the path of a saved split, for the
            first data set; the others are then divided by default.
        folds: 0, or how many folds there are, see :class:`core.data.SplitRule`.
        patches: drawn by `split_seed` from the labelled training patches of the first data set, see
            :func:`core.data.find_subsample`; further data sets and unlabelled patches are used whole.
        validate_on: "valid", or "train" to measure each epoch on the training patches as a report once did; see
            :mod:`core.runs.flaws`.
        dropout_in_validation: each epoch is measured with dropout on, as a notebook once did.
        device: a name of :func:`core.device.resolve_device`.
    """

    data: tuple[str, ...] = (DEMO,)
    decisions: str = ""
    preset: str = "quick"
    model: str = "notebook-cnn"
    model_arguments: dict[str, Any] = field(default_factory=dict)
    pretrained: str = "none"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.25, 0.25, 0.25)
    epochs: int = 10
    batch_size: int = 64
    optimiser: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = 1e-3
    head_learning_rate: float | None = None
    weight_decay: float = 0.01
    schedule: Literal["constant", "one-cycle", "plateau"] = "one-cycle"
    plateau_patience: int = 20
    clip: float = 0.0
    balance: Balance = "none"
    frozen_epochs: int = 0
    label_smoothing: float = 0.0
    teachers: tuple[str, ...] = ()
    distillation: float = 0.0
    unlabelled: bool = False
    ema: float = 0.0
    augmentation: Augmentation = Augmentation()
    stain_normalisation: Literal["none", "macenko", "reinhard"] = "none"
    stain_reference: str = ""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    compile: Literal["gpu", "off", "auto"] = "gpu"
    tracker: str = "none"
    keep: Literal["best", "last"] = "best"
    patience: int = 0
    seed: int = 0
    split_seed: int = 0
    split: str = "default"
    folds: int = 0
    fold: int = 0
    patches: int = 0
    validation_data: int = 1
    validate_on: Literal["valid", "train"] = "valid"
    dropout_in_validation: bool = False
    device: str = "auto"

    def __post_init__(self) -> None:
        _check_settings(self)
        # Not in SETTINGS: the device is chosen once for all pages, validate_on only by a preset of a reported recipe.
        if self.validate_on not in ("valid", "train"):
            raise ConfigError(f"validate_on must be one of valid, train, got {self.validate_on!r}.")
        try:
            check_device(self.device)
        except DeviceError as error:
            raise ConfigError(f"device must be {NAMES}, got {self.device!r}.") from error
        if not self.data:
            raise ConfigError("A run needs data: a folder, or 'demo'.")
        if self.validation_data > len(self.data):
            raise ConfigError(
                f"validation_data is {self.validation_data}, but there "
                f"{'is one data set' if len(self.data) == 1 else f'are {len(self.data)} data sets'}. Count from 1."
            )
        if len(self.mean) != 3 or not all(map(math.isfinite, self.mean)):
            raise ConfigError(f"mean must be a number for each of three colours, got {self.mean}.")
        if len(self.std) != 3 or not all(0 < value < math.inf for value in self.std):
            raise ConfigError(f"std must be a number above 0 for each of three colours, got {self.std}.")
        self._check_teaching()
        self._check_folds()

        if self.stain_reference and self.stain_normalisation == "none":
            raise ConfigError(
                "A reference patch was given, but stains are not normalised: choose macenko or reinhard for "
                "stain_normalisation, or leave the reference out."
            )

    def _check_teaching(self) -> None:
        if self.teachers and not (self.distillation or self.unlabelled or self.augmentation.takes_labels):
            raise ConfigError(
                "Teachers were given, but nothing is learnt from them: set the share of the "
                "teachers (distillation) above 0."
            )
        if self.distillation and not self.teachers:
            raise ConfigError(
                f"The share of the teachers (distillation) is {self.distillation:g}, but no teacher is named."
            )
        if self.augmentation.takes_labels and not self.teachers:
            raise ConfigError(
                "A moved or blended patch has no label and can only be learnt from with a teacher; name one."
            )
        if self.unlabelled and not self.teachers:
            raise ConfigError("Patches without a label can only be learnt from with a teacher; name one.")
        if self.unlabelled and self.validate_on == "train":
            raise ConfigError(
                "validate_on 'train' needs the label of every training patch; exclude the unlabelled ones."
            )
        if self.unlabelled and self.balance == "sampling":
            raise ConfigError(
                "balance 'sampling' draws patches by their label, and unlabelled ones have none. Choose 'weights' or "
                "'none', or exclude the unlabelled ones."
            )

    def _check_folds(self) -> None:
        if self.folds == 1:
            raise ConfigError("folds must be 0 (none) or at least 2, got 1.")
        if self.fold > max(0, self.folds - 1):
            raise ConfigError(f"fold must be 0 to {max(0, self.folds - 1)}, got {self.fold}.")
        if self.folds and (self.split not in CHOICES or self.split in ("official", "valid-as-test")):
            raise ConfigError(f"folds is {self.folds}, but the split {self.split} has its own; leave folds at 0.")

    def value(self, name: str) -> Any:
        """Return the value of one of :data:`core.runs.settings.SETTINGS`."""
        if name == SIDE:
            return self.model_arguments.get(SIDE)
        return getattr(self.augmentation if name in _AUGMENTATION else self, name)

    def with_changes(self, **changes: Any) -> "TrainingConfig":
        """Return a copy with some values replaced; those of the augmentation, and `side`, may be given by their names.

        With another network go the arguments of the one before, unless new ones are among the changes. Published
        weights of timm bring the normalisation that they expect.

        Raises:
            ConfigError: they do not fit.

        Example:
            >>> TrainingConfig().with_changes(epochs=3, stain=0.2).augmentation.stain
            0.2
        """
        if changes.get("model", self.model) != self.model:
            changes.setdefault("model_arguments", {})
            changes["model"] = _known(models.full_name, changes["model"])
        if SIDE in changes:
            arguments = changes.get("model_arguments", self.model_arguments)
            changes["model_arguments"] = _enlarging(changes.get("model", self.model), arguments, changes.pop(SIDE))
        if {"model", "pretrained"} & changes.keys() and not {"mean", "std"} & changes.keys():
            merged = {"model": self.model, "pretrained": self.pretrained, **changes}
            found = None if merged["pretrained"] == "none" else _known(models.normalisation, merged["model"])
            changes |= {} if found is None else {"mean": found[0], "std": found[1]}
        inner = {name: changes.pop(name) for name in _AUGMENTATION & changes.keys()}
        if inner:
            changes["augmentation"] = replace(changes.get("augmentation", self.augmentation), **inner)
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "TrainingConfig":
        """Return the settings that :meth:`to_json` gave.

        Raises:
            ConfigError: a setting is unknown or does not fit.
        """
        if not isinstance(value, dict):
            raise ConfigError("The settings of the run are damaged: they must be an object of names with values.")
        # Refused, where a stored record ignores what it does not know: without them the run would be another one.
        unknown = sorted(set(value) - {each.name for each in fields(cls)})
        if unknown:
            raise ConfigError(f"Unknown settings: {', '.join(unknown)}; they come from another version of Nodescope.")
        kinds = get_type_hints(cls)
        try:
            # Lists become tuples, as they were: else the settings would not equal those they were written from, and a
            # study would take its own run for a foreign one.
            return cls(**{name: typed(kinds[name], each, name) for name, each in value.items()})
        except TypeError as error:
            raise ConfigError(f"The settings of the run are damaged: {error}.") from error

    def provenance(self) -> dict[str, Any]:
        """Return the settings for a bundle's card: without the paths of the machine they were used on."""
        value = self.to_json()
        # Data sets stand in the card by fingerprint and rule, which mean the same on any machine.
        for name in ("data", "device"):
            del value[name]
        if self.pretrained not in ("none", "imagenet"):
            value["pretrained"] = Path(self.pretrained).name
        if self.decisions not in ("", NONE):
            value["decisions"] = Path(self.decisions).name
        if self.split not in CHOICES:
            value["split"] = Path(self.split).name
        value["stain_reference"] = Path(self.stain_reference).name
        value["teachers"] = [Path(path).name for path in self.teachers]
        return value


def _known(ask: Callable[[str], Found], model: str) -> Found:
    try:
        return ask(model)
    except models.UnknownModelError as error:
        raise ConfigError(f"{error}") from error


def _enlarging(model: str, arguments: dict[str, Any], side: int | None) -> dict[str, Any]:
    """Return the arguments of a network that enlarges patches to `side`; with None, to what it does by itself."""
    others = {name: value for name, value in arguments.items() if name != SIDE}
    if side is None:
        return others
    SETTINGS[SIDE].check(side)
    if SIDE not in _known(lambda name: models.complete_arguments(name, {}), model):
        raise ConfigError(f"The network {model} takes patches as they are; leave {SIDE} out (0 on the page).")
    return {**others, SIDE: side}


_AUGMENTATION = {each.name for each in fields(Augmentation)}
