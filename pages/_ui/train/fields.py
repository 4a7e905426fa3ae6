"""Train: the fields of the form, drawn from the table of settings in :mod:`core.runs.settings`."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

import models
from core.data.split_file import SUFFIX, saved_splits
from core.runs import TrainingConfig
from core.runs.setting import Setting
from core.runs.settings import GROUPS, SETTINGS

FIRST = "Training"
"""The group that everybody sees; the others are folded away."""

CHOICE_LABELS = {
    "adam": "Adam", "adamw": "AdamW",
    "constant": "Constant", "one-cycle": "One cycle: up, then down to zero", "plateau": "Halved when nothing improves",
    "weights": "Weights in the loss", "sampling": "As many patches of each class",
    "best": "The best epoch's", "last": "The last epoch's",
    "auto": "Automatic for the device", "fp32": "fp32: exact", "bf16": "bf16: half the memory",
    "fp16": "fp16: half the memory, older GPUs",
    "macenko": "Macenko: by the two dyes", "reinhard": "Reinhard: by the mean colours",
    "default": "Official where there is one, else by patient or slide, else by patch", "patch": "Patches at random",
    "slide": "Whole slides", "patient": "Whole patients", "centre": "One centre left out",
    "stratified": "At random, exact shares of each class", "colour": "Colours held out",
    "none": "None", "gpu": "For long runs on a GPU", "off": "Never",
    "tensorboard": "TensorBoard", "mlflow": "MLflow", "wandb": "Weights & Biases", "comet_ml": "Comet",
    "official": "Official splits of the data set", "valid-as-test": "Official validation split as test",
}  # fmt: skip
"""Values of settings in plain words; the others are shown as they are."""


NOT_ON_THE_PAGE = (
    "data", "device", "preset", "model_arguments", "mean", "std", "validate_on", "dropout_in_validation", "decisions",
    "validation_data",
)  # fmt: skip
"""Settings that come from the sidebar, the preset or the data set."""


EXTRA_HELP = {"teachers": " Separate them by commas."}
"""What the help of a field adds, because the page asks for a setting in another way than the command line."""

PRESET_HELP = (
    "A named set of settings to start from. For a first look: Quick look. For real data, on a GPU or on a laptop with "
    "patience: Transfer. The others are for comparison: enlarged patches, Nodescope's own network, and earlier "
    "recipes; those “as reported” keep the flaws of their originals."
)
"""Which preset to take for what."""


def shown_in(group: str) -> tuple[Setting, ...]:
    """Return the settings of a group that have a field."""
    return tuple(each for each in GROUPS[group] if each.name not in NOT_ON_THE_PAGE)


def label_of(setting: str) -> str:
    """Return what the form calls a setting, "Stain" for "augmentation.stain"; one without a field stays as it is."""
    name = setting.removeprefix("augmentation.")
    return SETTINGS[name].label if name in SETTINGS and name not in NOT_ON_THE_PAGE else setting


def key_of(name: str, origin: str) -> str:
    """Return the key of a field's widget in the form that was filled from `origin`."""
    # A widget keeps its value as long as its key: with the origin in it, each preset starts from its own values.
    return f"{name}-{origin}"


def value_in(config: TrainingConfig, setting: Setting) -> Any:
    """Return what the field of a setting shows."""
    value = config.value(setting.name)
    if setting.kind == "paths":
        return ", ".join(value)
    return 0.0 if value is None else value


def taken(setting: Setting, value: Any) -> Any:
    """Return what a field holds as its setting takes it. Raises :class:`ConfigError` where it is out of its range."""
    if setting.kind == "paths":
        value = tuple(each.strip() for each in value.split(",") if each.strip())
    elif setting.optional:
        value = value or None  # a field for numbers is never empty; 0 stands for no value
    replace(setting, name=label_of(setting.name)).check(value)  # by the name that stands beside the field
    return value


def step_of(setting: Setting, value: float) -> float:
    """Return what the buttons beside a field add: one unit of the first digit, where that is the less.

    A tenth of a thousandth is a step for a learning rate of 0.002, and would jump over one of 0.00003.
    """
    step = float(setting.step or 1)
    return min(step, 10.0 ** math.floor(math.log10(value))) if value > 0 and setting.kind == "number" else step


def _offered(setting: Setting, value: Any) -> tuple[Any, ...]:
    """Return what a field offers: with splits that were saved on Browse, without networks that only folding makes."""
    folded = models.BAKES_TO.values() if setting.name == "model" else ()
    saved = (str(path) for path in saved_splits()) if setting.suffix else ()
    offered = (*(each for each in setting.choices if each not in folded), *saved)
    # A duplicated run may use what is no longer offered, such as a split whose file was deleted.
    return offered if value in offered else (*offered, value)


def _in_words(choice: str) -> str:
    return f"Saved: {Path(choice).stem}" if choice.endswith(SUFFIX) else CHOICE_LABELS.get(choice, choice)


def draw(setting: Setting, config: TrainingConfig, origin: str) -> Any:
    """Draw the field of a setting and return what it holds."""
    value, key = value_in(config, setting), key_of(setting.name, origin)
    label = f"{setting.label} in {setting.unit}" if setting.unit else setting.label
    label += f" (0: {setting.zero})" if setting.zero else ""
    if setting.kind == "switch":
        return st.toggle(label, value, key=key, help=setting.help, persist_state="session")
    if setting.kind in ("text", "paths"):
        return st.text_input(
            label, value, key=key, help=setting.help + EXTRA_HELP.get(setting.name, ""), persist_state="session"
        ).strip()
    if setting.kind == "choice":
        choices = _offered(setting, value)
        return st.selectbox(
            label, choices, choices.index(value), key=key, help=setting.help, persist_state="session",
            format_func=_in_words, accept_new_options=bool(setting.pattern),
        )  # fmt: skip
    # Without the limits: a field that has them keeps its last valid value for itself when another one is typed, and the
    # run would train with that. `taken` refuses what is out of range. Value and step must both be int or float.
    kind = int if setting.kind == "count" else float
    return kind(
        st.number_input(
            label, value=kind(value), key=key, help=setting.help, format=setting.format,
            step=kind(step_of(setting, value)) if setting.step else None, persist_state="session",
        )
    )  # fmt: skip
