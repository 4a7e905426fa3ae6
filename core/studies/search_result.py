"""What a search comes to."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from core.storage.record import Record


@dataclass(frozen=True)
class SearchTrial(Record):
    """One trial.

    Attributes:
        number: from 1.
        run: the name of its run.
        state: "running", "finished", "pruned" or "failed"; "unfinished" of a search that nothing works on.
        values: name of a setting to what it was.
        auc: validation AUC of the epoch that was kept, of the best one so far for a trial without an end; None before
            the first.
        epochs: how many it was trained.
    """

    number: int
    run: str
    state: str
    values: dict[str, Any]
    auc: float | None
    epochs: int


@dataclass(frozen=True)
class SearchResult(Record):
    """What a search has come to so far.

    Attributes:
        trials: in their order.
        importance: name of a setting to its share in what made trials differ, adding up to 1; empty while there are too
            few. It is Optuna's own estimate (PED-ANOVA; Watanabe, Bansal & Hutter, IJCAI 2023).
        settled: the runs that need no more work.
    """

    trials: tuple[SearchTrial, ...] = ()
    importance: Mapping[str, float] = field(default_factory=dict)
    settled: tuple[str, ...] = ()

    @property
    def best(self) -> SearchTrial | None:
        """The finished trial with the highest validation AUC."""
        finished = [each for each in self.trials if each.state == "finished" and each.auc is not None]
        return max(finished, key=lambda each: each.auc or 0.0, default=None)

    def at_rest(self) -> "SearchResult":
        """Return the same for a search that nothing works on: what it still calls running is unfinished."""
        trials = (replace(each, state="unfinished") if each.state == "running" else each for each in self.trials)
        return replace(self, trials=tuple(trials))

    def to_json(self) -> dict[str, Any]:
        """Return plain values, and the number of the best trial for readers of the file."""
        return {**super().to_json(), "best": None if self.best is None else self.best.number}
