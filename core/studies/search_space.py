"""What a search may vary: named settings with ranges."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.errors import ConfigError
from core.runs.config import TrainingConfig
from core.storage.record import Record

Value = float | int | str


@dataclass(frozen=True)
class Axis(Record):
    """One setting that is varied, over a range or over a few choices.

    Attributes:
        name: of the setting in :class:`core.runs.TrainingConfig` or :class:`core.runs.Augmentation`.
        low: lower end of the range.
        high: upper end.
        log: drawn evenly on a logarithmic scale.
        choices: in place of a range.

    Raises:
        ConfigError: there is neither a range nor a choice, or its ends are exchanged.
    """

    name: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[Value, ...] = ()

    def __post_init__(self) -> None:
        if self.choices:
            if len(set(self.choices)) < 2:
                raise ConfigError(f"A search over {self.name} needs two choices or more, got {self.choices}.")
        elif not self.low < self.high or (self.log and self.low <= 0):
            above = " above 0" if self.log else ""
            raise ConfigError(
                f"A search over {self.name} needs a lower and a higher end{above}, got {self.low:g} to {self.high:g}."
            )

    def holds(self, value: Any) -> bool:
        """Whether a trial may have this value."""
        if self.choices:
            return value in self.choices
        return isinstance(value, (int, float)) and self.low <= value <= self.high

    def describe(self) -> str:
        """Return the range as text."""
        if self.choices:
            return " | ".join(map(str, self.choices))
        return f"{self.low:g} to {self.high:g}" + (", logarithmic" if self.log else "")


SPACE = {
    each.name: each
    for each in (
        Axis("learning_rate", 1e-4, 1e-2, log=True),
        Axis("head_learning_rate", 3e-4, 3e-2, log=True),
        Axis("weight_decay", 1e-4, 0.2, log=True),
        Axis("batch_size", choices=(16, 32, 64, 128)),
        Axis("label_smoothing", 0.0, 0.1),
        Axis("ema", choices=(0.0, 0.9, 0.99, 0.995)),
        Axis("clip", choices=(0.0, 1.0, 5.0)),
        Axis("optimiser", choices=("adam", "adamw")),
        Axis("schedule", choices=("constant", "one-cycle")),
        Axis("balance", choices=("none", "weights", "sampling")),
        Axis("stain", 0.0, 0.4),
        Axis("brightness", 0.0, 0.15),
        Axis("rotation", 0.0, 45.0),
        Axis("blur", 0.0, 1.0),
        Axis("cutout", 0.0, 0.5),
    )
}
"""Every setting that can be searched, with the range it has unless another is given."""

DEFAULT_OVER = ("learning_rate", "weight_decay", "batch_size", "stain")


def parse_axes(texts: Sequence[str], config: TrainingConfig) -> tuple[Axis, ...]:
    """Return the axes that ``NAME``, ``NAME=LOW:HIGH`` or ``NAME=A|B|C`` name.

    Args:
        texts: one for each setting.
        config: what the trials share; each end of each range must fit it.

    Raises:
        ConfigError: a setting cannot be searched, stands twice, or a range does not fit.
    """
    axes = tuple(_parse(each.strip()) for each in texts)
    names = [axis.name for axis in axes]
    if not axes or len(set(names)) < len(names):
        raise ConfigError(f"A search needs settings, each once, got {', '.join(names) or 'none'}.")
    for axis in axes:
        for value in axis.choices or (axis.low, axis.high):
            config.with_changes(**{axis.name: value})
    return axes


def own_values(config: TrainingConfig, axes: Sequence[Axis]) -> dict[str, Any] | None:
    """Return the values that the settings have already, or None where one lies outside of its range."""
    values = {axis.name: config.value(axis.name) for axis in axes}
    return values if all(axis.holds(values[axis.name]) for axis in axes) else None


def _parse(text: str) -> Axis:
    name, _, wanted = text.partition("=")
    if name not in SPACE:
        raise ConfigError(f"There is no search over {name!r}; choose from {', '.join(SPACE)}.")
    axis = SPACE[name]
    if not wanted:
        return axis
    try:
        choices = tuple(_choice(axis, each) for each in wanted.split("|")) if "|" in wanted else ()
        low, high = (0.0, 0.0) if choices else map(float, wanted.split(":"))
    except ValueError as error:
        raise ConfigError(f"A range must be NAME=LOW:HIGH or NAME=A|B|C, got {text!r}.") from error
    if axis.choices and not choices:
        raise ConfigError(f"{name} has choices and no range: give {name}={'|'.join(map(str, axis.choices))}.")
    return replace(axis, low=low, high=high, log=axis.log and not choices, choices=choices)


def _choice(axis: Axis, text: str) -> Value:
    kind = type(axis.choices[0]) if axis.choices else float
    return kind(text)
