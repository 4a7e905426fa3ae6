"""Training configurations with a name."""

from dataclasses import dataclass, replace
from typing import Any

from core.errors import ConfigError
from core.runs.config import IMAGENET_MEAN, IMAGENET_STD, Augmentation, TrainingConfig
from core.runs.flaws import SUFFIX


@dataclass(frozen=True)
class Preset:
    """A named configuration.

    Attributes:
        label: what a person reads in a list.
        help: for whom it is and what it costs, in a sentence or two.
        config: the settings; data, seed and device are the user's.
    """

    label: str
    help: str
    config: TrainingConfig


_REGULARISED = TrainingConfig(weight_decay=0.02, label_smoothing=0.02)
"""What our own recipes have in common: held back from being too sure of few patches."""

_TRANSFER = _REGULARISED.with_changes(
    model="efficientnet-lite0",
    pretrained="imagenet",
    # The published weights of EfficientNet-Lite were trained on (x - 127) / 128, x from 0 to 255.
    mean=(127 / 255, 127 / 255, 127 / 255),
    std=(128 / 255, 128 / 255, 128 / 255),
    epochs=12,
    learning_rate=8e-4,
    head_learning_rate=3e-3,
    ema=0.995,
    augmentation=Augmentation(stain=0.2, brightness=0.05),
    keep="last",
)
"""Fine-tuning from ImageNet."""

_RAW = TrainingConfig(optimiser="adam", weight_decay=0.0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
"""What the two small networks' recipes have in common: pixels from 0 to 1 as they are, and plain Adam."""


LARGE = 256
"""Patches a step that keep a large GPU busy with networks as small as these."""


def _for_large_gpus(config: TrainingConfig) -> TrainingConfig:
    """Return a recipe in large batches, whose rates and average see as many patches as before.

    With Adam the rate grows with the square root of the batch, and the average forgets as much for each patch: Malladi
    et al., "On the SDEs and scaling rules for adaptive gradient algorithms", 2022 (arXiv:2205.10287).
    """
    times = LARGE / config.batch_size
    return config.with_changes(
        batch_size=LARGE,
        learning_rate=config.learning_rate * times**0.5,
        head_learning_rate=config.head_learning_rate and config.head_learning_rate * times**0.5,
        ema=round(config.ema**times, 4),
    )


_SYMMETRIC = _REGULARISED.with_changes(
    model="nodescope-net",
    epochs=24,
    learning_rate=2e-3,
    ema=0.998,
    # Without flips and rotations: the network gives the same logit for all eight, so they would teach it nothing.
    augmentation=Augmentation(symmetries=False, stain=0.25, brightness=0.08),
)
"""The network's own recipe."""


def _recipes() -> dict[str, Preset]:
    return {
        "quick": Preset(
            "Quick look",
            "A small network with a short schedule: a useful model of the demo set on a laptop's CPU in about two "
            "minutes.",
            TrainingConfig(
                model="notebook-cnn",
                epochs=20,
                batch_size=32,
                learning_rate=2e-3,
                augmentation=Augmentation(stain=0.1, brightness=0.05),
                ema=0.99,
            ),
        ),
        "transfer": Preset(
            "Transfer (EfficientNet-Lite0)",
            "Fine-tunes a compact network from ImageNet weights, which come with a Python package. About two minutes "
            "an epoch for 9,000 patches on two CPU cores.",
            _TRANSFER,
        ),
        "transfer-large": Preset(
            "Transfer, enlarged (EfficientNet-Lite0)",
            "The same on patches enlarged from 96 to 144 pixels, about three times as slow. It ranks patches no better "
            "by itself; together with the former (two bundles at once in `predict`) it does.",
            _TRANSFER.with_changes(side=144, epochs=9),
        ),
        "transfer-mobile": Preset(
            "Transfer for new slides (MobileNetV2)",
            "MobileNetV2 from torchvision's ImageNet weights (14 MB, downloaded once) on patches enlarged from 96 to "
            "112 pixels, turned and zoomed; about as slow as Transfer. It ranks the patches of new slides better. The "
            "bundle that comes with Nodescope is the mean of four such networks, taught further by others.",
            _TRANSFER.with_changes(
                model="mobilenet-v2",
                side=112,
                mean=IMAGENET_MEAN,
                std=IMAGENET_STD,
                rotation=180.0,
                zoom=0.22,
                blur=1.0,
            ),
        ),
        "symmetric": Preset(
            "Nodescope's own network",
            "Trains nodescope-net from random weights: 164,888 parameters, the same prediction for all eight flips and "
            "rotations of a patch, and exact on larger regions. Quick to run, slower to train to the same accuracy.",
            _SYMMETRIC,
        ),
        "transfer-gpu": Preset(
            "Transfer, in large batches",
            "Transfer with 256 patches a step and the learning rates that go with it: for a large GPU and data sets of "
            "100,000 patches and more; with fewer it takes too few steps.",
            _for_large_gpus(_TRANSFER),
        ),
        "symmetric-gpu": Preset(
            "Nodescope's own network, in large batches",
            "The same with 256 patches a step and the learning rate that goes with it: for a large GPU and data sets "
            "of 100,000 patches and more.",
            _for_large_gpus(_SYMMETRIC),
        ),
        "notebook": Preset(
            "Kaggle notebook CNN",
            "The notebook's network of 127,230 parameters as it was meant: flips and rotations that really run, "
            "dropout off in validation, the scheduler on the optimiser in use. 50 epochs.",
            _RAW.with_changes(
                model="notebook-cnn",
                epochs=50,
                batch_size=32,
                learning_rate=3e-4,
                # Halves after 20 epochs, the default of plateau_patience, as the notebook's ReduceLROnPlateau should
                # have.
                schedule="plateau",
                augmentation=Augmentation(rotation=45.0),
            ),
        ),
        "keras": Preset(
            "Keras course report CNN",
            "The report's network of 3,411,521 parameters, validated on patches that it was not trained on. 20 epochs "
            "of large batches: meant for the full data set.",
            _RAW.with_changes(
                model="keras-cnn",
                epochs=20,
                batch_size=1024,
                schedule="constant",
                augmentation=Augmentation(symmetries=False),
            ),
        ),
        "resnet50": Preset(
            "ResNet50 transfer",
            "torchvision's ResNet50 of 23,510,081 parameters from ImageNet weights (97 MB, downloaded once): three "
            "epochs train only its new last layer, seven more fine-tune all of it. Meant for a GPU.",
            TrainingConfig(
                model="resnet50",
                pretrained="imagenet",
                mean=IMAGENET_MEAN,
                std=IMAGENET_STD,
                epochs=10,
                frozen_epochs=3,
                learning_rate=2e-4,
                head_learning_rate=1e-3,
                augmentation=Augmentation(rotation=10.0, stain=0.1, brightness=0.05),
            ),
        ),
    }


def _as_reported(recipes: dict[str, Preset]) -> dict[str, Preset]:
    """Return the three earlier recipes with what was wrong in their augmentation, split and validation."""
    wrong: dict[str, tuple[str, dict[str, Any]]] = {
        "notebook": (
            "no augmentation, because it never ran; dropout stays on in validation; a learning rate that never falls; "
            "a random split",
            # Its Subset ignored the new transform, and its scheduler was one of another optimiser, so that neither
            # augmentation nor schedule did anything.
            {"augmentation": Augmentation(symmetries=False), "schedule": "constant", "dropout_in_validation": True},
        ),
        "keras": ("validated on its own training patches; a random split", {"validate_on": "train"}),
        "resnet50": ("a random split, with patches of one slide on both sides", {}),
    }
    return {
        name + SUFFIX: Preset(
            f"{recipes[name].label}, as reported",
            f"For comparison only, with its flaws: {flaws}. Its own metrics are not to be trusted; those on test "
            "patches, which it never sees, are measured as always.",
            recipes[name].config.with_changes(split="patch", **changes),
        )
        for name, (flaws, changes) in wrong.items()
    }


def _named(presets: dict[str, Preset]) -> dict[str, Preset]:
    return {name: replace(each, config=each.config.with_changes(preset=name)) for name, each in presets.items()}


PRESETS = _named({**_recipes(), **_as_reported(_recipes())})
"""All presets by name; the earlier recipes as reported come last."""


def preset(name: str) -> TrainingConfig:
    """Return the settings of the preset called `name`.

    Raises:
        ConfigError: there is none.
    """
    if name not in PRESETS:
        raise ConfigError(f"There is no preset {name!r}; choose from {', '.join(PRESETS)}.")
    return PRESETS[name].config
