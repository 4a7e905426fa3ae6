"""Training configurations with a name."""

from dataclasses import dataclass

from core.errors import ConfigError
from core.training.config import IMAGENET_MEAN, IMAGENET_STD, Augmentation, TrainingConfig


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


PRESETS = {
    "quick": Preset(
        "Quick look",
        "A small network with a short schedule: a useful model of the demo set on a laptop's CPU in about two minutes.",
        TrainingConfig(
            preset="quick",
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
        "Fine-tunes a compact network from ImageNet weights; the recipe of the bundle that comes with Nodescope. About "
        "two minutes an epoch for 9,000 patches on two CPU cores.",
        TrainingConfig(
            preset="transfer",
            model="efficientnet-lite0",
            pretrained="imagenet",
            mean=(127 / 255, 127 / 255, 127 / 255),
            std=(128 / 255, 128 / 255, 128 / 255),
            epochs=12,
            batch_size=64,
            learning_rate=8e-4,
            head_learning_rate=3e-3,
            weight_decay=0.02,
            label_smoothing=0.02,
            ema=0.995,
            augmentation=Augmentation(stain=0.2, brightness=0.05),
            keep="last",
        ),
    ),
    "symmetric": Preset(
        "Nodescope's own network",
        "Trains nodescope-net from random weights: 93,392 parameters, the same answer for all eight flips and turns "
        "of a patch, and exact on larger regions. Quick to run, slower to train to the same accuracy.",
        TrainingConfig(
            preset="symmetric",
            model="nodescope-net",
            epochs=24,
            batch_size=64,
            learning_rate=2e-3,
            weight_decay=0.02,
            label_smoothing=0.02,
            ema=0.998,
            augmentation=Augmentation(symmetries=False, stain=0.25, brightness=0.08),
        ),
    ),
    "notebook": Preset(
        "Kaggle notebook CNN",
        "The notebook's network of 127,230 parameters as it was meant: flips and turns that really run, dropout off in "
        "validation, the scheduler on the optimiser in use. 50 epochs.",
        TrainingConfig(
            preset="notebook",
            model="notebook-cnn",
            epochs=50,
            batch_size=32,
            optimiser="adam",
            learning_rate=3e-4,
            weight_decay=0.0,
            schedule="plateau",
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            augmentation=Augmentation(rotation=45.0),
        ),
    ),
    "keras": Preset(
        "Keras course report CNN",
        "The report's network of 3,411,521 parameters, validated on patches that it was not trained on. 20 epochs of "
        "large batches: meant for the full data set.",
        TrainingConfig(
            preset="keras",
            model="keras-cnn",
            epochs=20,
            batch_size=1024,
            optimiser="adam",
            learning_rate=1e-3,
            weight_decay=0.0,
            schedule="constant",
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            augmentation=Augmentation(symmetries=False),
        ),
    ),
    "resnet50": Preset(
        "ResNet50 transfer",
        "Fine-tunes torchvision's ResNet50 of 23,510,081 parameters from ImageNet weights (97 MB, downloaded once). "
        "Meant for a GPU.",
        TrainingConfig(
            preset="resnet50",
            model="resnet50",
            pretrained="imagenet",
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
            epochs=10,
            batch_size=64,
            learning_rate=2e-4,
            head_learning_rate=1e-3,
            augmentation=Augmentation(stain=0.1, brightness=0.05),
        ),
    ),
}


def preset(name: str) -> TrainingConfig:
    """Return the settings of the preset called `name`.

    Raises:
        ConfigError: there is none.
    """
    if name not in PRESETS:
        raise ConfigError(f"There is no preset {name!r}; choose from {', '.join(PRESETS)}.")
    return PRESETS[name].config
