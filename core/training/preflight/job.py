"""What is measured before a run starts, in a process of its own: what it will cost, or which learning rate suits it.

A preflight is a :class:`core.job.Job` in a folder under ``NODESCOPE_HOME/rehearsals`` whose name follows from the
settings that matter to it, so that the same is measured once.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from core.device import candidates
from core.job import Job, JobStatus
from core.progress import Progress
from core.runs.config import TrainingConfig
from core.runs.device_queue import device_slot
from core.storage import atomic
from core.storage.home import home
from core.storage.record import typed
from core.training.preflight.cost import Estimate, estimate
from core.training.preflight.lr_finder import LearningRateCurve, curve_of, find_learning_rate

Kind = Literal["cost", "rate"]
KINDS: tuple[Kind, Kind] = ("cost", "rate")

KEPT = 40
"""Preflights whose results are kept."""


@dataclass(frozen=True)
class Preflight(Job):
    """A folder in which a process takes a few steps of a run.

    Attributes:
        kind: "cost" or "rate".
    """

    noun: ClassVar[str] = "preflight"

    kind: Kind = "cost"

    @classmethod
    def of(cls, kind: Kind, config: TrainingConfig) -> "Preflight":
        """Return the preflight for these settings; settings that do not change its result do not change its folder."""
        text = json.dumps(_what_matters(kind, config).to_json(), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return cls(preflights_home() / f"{kind}-{digest}", kind)

    def start(self, config: TrainingConfig) -> None:
        """Start a detached process; return at once.

        Raises:
            RunError: a process is at work already.
            StorageError: the folder cannot be written.
        """
        _forget_old()
        atomic.write_json(self.path / "config.json", _what_matters(self.kind, config).to_json())
        # The last result must not be taken for that of this attempt.
        (self.path / "result.json").unlink(missing_ok=True)
        self.launch(["preflight", self.kind])

    def run(self) -> JobStatus:
        """Measure in this process and write the result down; return the last status.

        Raises:
            NodescopeError: it failed.
        """
        config = TrainingConfig.from_json(self.require_json("config.json"))

        def what(report: Progress) -> None:
            with self._turn(config.device, lambda: report(0.0)):
                atomic.write_json(self.path / "result.json", _measured(self.kind, config, report))

        return self.work(what)

    def _turn(self, device: str, ask: Callable[[], None]) -> AbstractContextManager[None]:
        """Return what has a GPU to itself in the body: beside a training the memory might suffice for neither."""
        if candidates(device)[0].type == "cpu":
            return nullcontext()
        return device_slot(self, device, wait=lambda _: None, give_up=ask)

    def cost(self, epochs: int) -> Estimate | None:
        """Return what a run of `epochs` epochs will cost; None if that is not known.

        Raises:
            RunError: the result is damaged.
        """
        found = self._result()
        if found is None:
            return None
        cost = self.understood("result.json", lambda: Estimate.from_json(found))
        # The number of epochs is not in the digest, so that one measurement serves for any.
        return replace(cost, seconds=cost.seconds_per_epoch * epochs)

    def rate(self) -> LearningRateCurve | None:
        """Return the curve of the learning rate; None if it is not known.

        Raises:
            RunError: the result is damaged.
        """
        found = self._result()
        return None if found is None else self.understood("result.json", lambda: _curve(found))

    def _result(self) -> dict[str, Any] | None:
        return (self.read_json("result.json") or None) if self.status().state == "finished" else None

    def _remedy(self, _name: str) -> str:
        return f"Delete the folder {self.path} and measure again."


def preflights_home() -> Path:
    """Return the folder of the preflights."""
    return home() / "rehearsals"


def _what_matters(kind: Kind, config: TrainingConfig) -> TrainingConfig:
    """Return the settings with all that does not change the result set to the same."""
    same = config.with_changes(epochs=1, patience=0, schedule="constant", preset="", tracker="none")
    if kind == "cost":
        # Whether there is one matters, not which: the optimiser then has groups of its own for the head.
        head = None if config.head_learning_rate is None else 1e-3
        return same.with_changes(learning_rate=1e-3, head_learning_rate=head)
    if config.head_learning_rate is None:
        return same.with_changes(learning_rate=1e-3)
    # Three digits, so that rounding gives one share no second folder; within what the settings allow, 1e-8 to 10.
    share = float(f"{config.head_learning_rate / config.learning_rate:.3g}")
    return same.with_changes(learning_rate=1e-3, head_learning_rate=min(10.0, max(1e-8, 1e-3 * share)))


def _measured(kind: Kind, config: TrainingConfig, report: Progress) -> dict[str, Any]:
    if kind == "cost":
        return asdict(estimate(config, progress=report))
    curve = find_learning_rate(config, progress=report)
    return {"rates": curve.rates.tolist(), "losses": curve.losses.tolist()}


def _curve(found: dict[str, Any]) -> LearningRateCurve:
    rates, losses = (np.array(typed(tuple[float, ...], found[name], name)) for name in ("rates", "losses"))
    if len(rates) != len(losses) or not (np.diff(rates) > 0).all() or not (rates > 0).all():
        raise ValueError(f"{len(losses)} losses need as many learning rates above 0, each larger than the one before")
    return curve_of(rates, losses)


def _forget_old() -> None:
    """Keep the newest results; their settings are the ones that may come again."""
    if not preflights_home().is_dir():
        return
    paths = sorted(preflights_home().iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in paths[KEPT - 1 :]:  # one place is for the preflight that is about to start
        if not Job(path).status().is_active:
            shutil.rmtree(path)
