"""What is known of one setting of a training: its name on screen, its help, and what it may be."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from core.errors import ConfigError

Kind = Literal["count", "number", "choice", "switch", "text", "paths"]


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        name: of the field in :class:`core.runs.TrainingConfig` or :class:`core.runs.Augmentation`.
        label: its name on screen.
        help: what it does, for somebody who has never heard of it.
        kind: type of its value.
        low: least value of a number.
        high: greatest value of a number.
        unit: of a number, where the label does not say it.
        listed: the values that a choice allows, or what tells them where that depends on what is installed.
        pattern: regular expression of what may stand in place of a choice; empty allows nothing.
        suffix: ending of the files whose path may stand in place of a choice; empty allows none.
        optional: whether the value may be None.
        step: what the buttons beside a number add.
        format: how a number is shown, as printf has it.
        zero: what 0 stands for where it is no amount, such as "never".
    """

    name: str
    label: str
    help: str
    kind: Kind = "count"
    low: float = 0
    high: float = 10_000
    unit: str = ""
    listed: tuple[str, ...] | Callable[[], Sequence[str]] = ()
    pattern: str = ""
    suffix: str = ""
    optional: bool = False
    step: float | None = None
    format: str | None = None
    zero: str = ""

    @property
    def choices(self) -> tuple[str, ...]:
        """The values that a choice allows."""
        return tuple(self.listed()) if callable(self.listed) else self.listed

    @property
    def limits(self) -> str:
        """What is allowed, such as "1 to 10000"; empty where nothing is checked."""
        if self.kind == "choice":
            others = f" or a {self.suffix} file" if self.suffix else " or PACKAGE:NAME" if self.pattern else ""
            return ", ".join(self.choices) + others
        if self.kind in ("count", "number"):
            ends = (f"{end:d}" if isinstance(end, int) else f"{end:g}" for end in (self.low, self.high))
            return " to ".join(ends)
        return ""

    def check(self, value: Any) -> None:
        """See that a value is allowed.

        Raises:
            ConfigError: it is not.
        """
        if self.optional and value is None:
            return
        if self.kind == "choice" and value not in self.choices and not self._takes(value):
            raise ConfigError(f"{self.name} must be one of {self.limits}, got {value!r}.")
        if self.kind not in ("count", "number"):
            return
        if not self.low <= value <= self.high:  # put this way round, it refuses NaN as well
            raise ConfigError(f"{self.name} must be {self.limits}, got {value}.")
        if self.kind == "count" and not isinstance(value, int):
            raise ConfigError(f"{self.name} must be a whole number, got {value}.")

    def _takes(self, value: str) -> bool:
        """Tell whether this may stand in place of a choice."""
        is_file = bool(self.suffix) and value.endswith(self.suffix)
        return is_file or bool(self.pattern and re.fullmatch(self.pattern, value))
