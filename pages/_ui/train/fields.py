"""Train: the fields of the form, each with its plain-language help: one line here is one field there.

A field stands for the setting of :class:`core.runs.TrainingConfig` that it is called after; those of
``augmentation`` for one of :class:`core.runs.Augmentation`.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import streamlit as st

import models
from core.data.split_file import SUFFIX, saved_splits
from core.data.splits import CHOICES, MOST_FOLDS
from core.runs import TrainingConfig
from core.runs.config import BALANCES

Kind = Literal["count", "number", "choice", "switch", "text"]

WORDS = {
    "adam": "Adam", "adamw": "AdamW",
    "constant": "Constant", "one-cycle": "One cycle: up, then down to zero", "plateau": "Halved when nothing improves",
    "weights": "Weights in the loss", "sampling": "As many patches of each class",
    "best": "The best epoch's", "last": "The last epoch's",
    "auto": "As the device likes it", "fp32": "fp32: exact", "bf16": "bf16: half the memory",
    "fp16": "fp16: half the memory, older GPUs",
    "default": "Official where there is one, else by slide, else by patch", "patch": "Patches at random",
    "slide": "Whole slides", "stratified": "At random, exact shares of each class", "colour": "Colours held out",
    "official": "As the data set says",
}  # fmt: skip
"""Values of settings in plain words; the others are shown as they are."""


@dataclass(frozen=True)
class Field:
    """One field.

    Attributes:
        name: of the setting.
        label: on screen.
        help: what it does, for somebody who has never heard of it.
        kind: which widget it gets.
        low: least value, of a number.
        high: greatest value, of a number.
        step: of the buttons beside a number.
        format: of a number.
        choices: values to choose from.
    """

    name: str
    label: str
    help: str
    kind: Kind = "count"
    low: float = 0
    high: float = 10_000
    step: float | None = None
    format: str | None = None
    choices: tuple[str, ...] = ()


FIRST = (
    Field("epochs", "Epochs", "How often every training patch is seen.", low=1),
    Field(
        "batch_size", "Batch size", "Patches in one step. More needs more memory; fewer makes noisier steps.",
        low=2, high=65_536,
    ),
    Field(
        "learning_rate", "Learning rate",
        "How far one step goes. Too high and the loss jumps, too low and nothing moves. The finder below suggests one.",
        kind="number", low=1e-8, high=10.0, step=1e-4, format="%.2e",
    ),
    Field(
        "patience", "Patience", "End early after so many epochs without a better validation AUC; 0 never does."
    ),
)  # fmt: skip
"""What everybody sees."""

EXPERT: dict[str, tuple[Field, ...]] = {
    "Network": (
        Field(
            "model", "Network", "The kind of network. A preset's other settings were chosen for its own.",
            kind="choice", choices=tuple(name for name in models.names() if name not in models.BAKES_TO.values()),
        ),
        Field(
            "pretrained", "Starting weights", '"none" for random ones, "imagenet" for published ones, or the path of a '
            "file.", kind="text",
        ),
        Field(
            "frozen_epochs", "Frozen epochs", "So many epochs train the last layer alone; then the whole network is "
            "fine-tuned. For networks with published weights.",
        ),
    ),
    "Augmentation": (
        Field(
            "symmetries", "Flips and quarter turns", "Each training patch is shown in one of its eight ways; tissue "
            "has no up or down.", kind="switch",
        ),
        Field(
            "rotation", "Rotation in degrees", "Largest turn about the centre; what comes in from outside is mirrored.",
            kind="number", high=180.0, step=5.0,
        ),
        Field(
            "stain", "Stain", "How much the strength of each dye varies (0.2 is much), as between laboratories.",
            kind="number", high=1.0, step=0.05,
        ),
        Field(
            "brightness", "Brightness", "How much the whole patch gets lighter or darker (0.05 is usual).",
            kind="number", high=1.0, step=0.01,
        ),
        Field(
            "blur", "Blur", "Largest blur in pixels, as if the patch were a little out of focus.",
            kind="number", high=2.0, step=0.1,
        ),
        Field(
            "cutout", "Cutout", "Share of training patches that lose a square of the rim. The centre always stays.",
            kind="number", high=1.0, step=0.1,
        ),
    ),
    "Optimiser": (
        Field("optimiser", "Optimiser", "How gradients become steps; AdamW is the safer one.", kind="choice",
              choices=("adam", "adamw")),
        Field("schedule", "Learning rate over time", "One cycle warms up for a tenth of the steps and then falls to "
              "zero.", kind="choice", choices=("constant", "one-cycle", "plateau")),
        Field("plateau_patience", "Patience before halving", "Only for “halved when nothing improves”: after so many "
              "epochs without a lower validation loss.", low=1),
        Field("weight_decay", "Weight decay", "Pulls weights towards zero, against learning by heart.", kind="number",
              high=1.0, step=0.01, format="%.4f"),
        Field("head_learning_rate", "Learning rate of the last layer", "Another rate for the last layer, which is new "
              "in networks with published weights; 0 is the same as for the rest.", kind="number", high=10.0,
              step=1e-4, format="%.2e"),
        Field("clip", "Gradient clipping", "Steps with a longer gradient are shortened to this norm; 0 never does. "
              "Helps where the loss jumps.", kind="number", high=1e6, step=1.0),
        Field("ema", "Moving average (EMA)", "The model is the average of the last weights, which is steadier: 0.99 "
              "counts about 100 steps, 0 takes the weights as they are.", kind="number", high=0.99999, step=0.001,
              format="%.4f"),
        Field("label_smoothing", "Label smoothing", "Targets a little away from 0 and 1, against being too sure.",
              kind="number", high=0.5, step=0.01),
    ),
    "Classes and split": (
        Field("balance", "Balance of the classes", "Where one class is rare: let both count the same in the loss, or "
              "draw as many patches of each.", kind="choice", choices=tuple(BALANCES)),
        Field("split", "Split", "Which patches train, validate and test. By slide is the honest one for new slides; a "
              "random one flatters. Browse shows how each falls, and saves it.", kind="choice", choices=tuple(CHOICES)),
        Field("split_seed", "Seed of the split", "Another number draws another split.", high=2**31 - 1),
        Field("folds", "Folds", "Divide into so many parts, one of which is the test part; 0 has none. To train all of "
              "them, see Studies.", high=MOST_FOLDS),
        Field("fold", "Test fold", "Which of the folds is the test part, from 0 on.", high=MOST_FOLDS - 1),
        Field("patches", "Labelled patches", "Learn from so many labelled training patches, drawn at random; 0 takes "
              "all. Validation and test patches stay as they are. For several sizes at once, see Studies.",
              high=2**31 - 1, step=100),
    ),
    "Teachers": (
        Field("teachers", "Teachers", "Paths of model files to learn from, separated by commas. The new network then "
              "also learns to answer as they do.", kind="text"),
        Field("distillation", "Share of the teachers", "How much of the loss is towards the teachers' answer; the rest "
              "is towards the label.", kind="number", high=1.0, step=0.1),
        Field("moved", "Moved patches", "Share of training patches that are moved, so that other tissue lies in their "
              "centre. They lose their label with it, and the teachers alone teach them.", kind="number", high=1.0,
              step=0.1),
        Field("unlabelled", "Unlabelled patches too", "Patches of the data set without a label are used too, "
              "with the teachers' answer in place of it.", kind="switch"),
    ),
    "Speed and repeating": (
        Field("precision", "Precision", "How numbers are stored while computing.", kind="choice",
              choices=("auto", "fp32", "bf16", "fp16")),
        Field("compile", "Compile the network", "Takes minutes before the first step and makes the others faster; for "
              "long runs on a GPU.", kind="choice", choices=("off", "auto")),
        Field("tracker", "Tracker", "Tell the figures of each epoch to TensorBoard or MLflow too, where installed.",
              kind="choice", choices=("none", "tensorboard", "mlflow")),
        Field("keep", "Which weights are kept", "The best epoch by validation AUC, or the last one.", kind="choice",
              choices=("best", "last")),
        Field("seed", "Seed", "The same seed on the same computer gives the same run.", high=2**31 - 1),
    ),
}  # fmt: skip
"""What is folded away, in groups."""

NOT_ON_THE_PAGE = (
    "data", "device", "preset", "model_arguments", "mean", "std", "validate_on", "dropout_in_validation", "decisions",
)  # fmt: skip
"""Settings that come from the sidebar, the preset or the data set."""


PRESET_HELP = (
    "A named set of settings to start from. For a first look: Quick look. For real data, on a GPU or on a laptop with "
    "patience: Transfer. The others are for comparison: enlarged patches, Nodescope's own network, and earlier "
    "recipes; those “as reported” keep the flaws of their originals."
)
"""Which preset to take for what."""


def all_fields() -> tuple[Field, ...]:
    """Return the fields in the order of the page."""
    return (*FIRST, *(each for group in EXPERT.values() for each in group))


def label_of(setting: str) -> str:
    """Return what the form calls a setting, "Stain" for "augmentation.stain"; one without a field stays as it is."""
    name = setting.removeprefix("augmentation.")
    return next((each.label for each in all_fields() if each.name == name), setting)


def key_of(name: str, origin: str) -> str:
    """Return the key of a field's widget in the form that was filled from `origin`."""
    return f"{name}-{origin}"


def value_in(config: TrainingConfig, name: str) -> Any:
    """Return what the field shows for the settings."""
    if hasattr(config.augmentation, name):
        return getattr(config.augmentation, name)
    value = getattr(config, name)
    if name == "head_learning_rate":
        return value or 0.0
    return ", ".join(value) if isinstance(value, tuple) else value


def changed(config: TrainingConfig, values: dict[str, Any]) -> TrainingConfig:
    """Return the settings with what the fields hold.

    Raises:
        ConfigError: they do not fit together.
    """
    given = dict(values)
    augmentation = {name: given.pop(name) for name in values if hasattr(config.augmentation, name)}
    if "head_learning_rate" in given:
        given["head_learning_rate"] = given["head_learning_rate"] or None
    if "teachers" in given:
        given["teachers"] = tuple(each.strip() for each in given["teachers"].split(",") if each.strip())
    return config.with_changes(augmentation=replace(config.augmentation, **augmentation), **given)


def _saved(name: str) -> tuple[str, ...]:
    """Return the files to choose from besides the choices of a field: splits that were saved on Browse."""
    return tuple(str(path) for path in saved_splits()) if name == "split" else ()


def _in_words(choice: str) -> str:
    return f"Saved: {Path(choice).stem}" if choice.endswith(SUFFIX) else WORDS.get(choice, choice)


def draw(field: Field, config: TrainingConfig, origin: str) -> Any:
    """Draw the field and return what it holds."""
    value, key = value_in(config, field.name), key_of(field.name, origin)
    if field.kind == "switch":
        return st.toggle(field.label, value, key=key, help=field.help, persist_state="session")
    if field.kind == "text":
        return st.text_input(field.label, value, key=key, help=field.help, persist_state="session").strip()
    if field.kind == "choice":
        choices = (*field.choices, *_saved(field.name))
        choices = choices if value in choices else (*choices, value)
        return st.selectbox(
            field.label, choices, choices.index(value), key=key, help=field.help, persist_state="session",
            format_func=_in_words,
        )  # fmt: skip
    kind = int if field.kind == "count" else float
    return kind(
        st.number_input(
            field.label,
            kind(field.low),
            kind(field.high),
            kind(value),
            key=key,
            help=field.help,
            format=field.format,
            step=kind(field.step) if field.step else None,
            persist_state="session",
        )
    )
