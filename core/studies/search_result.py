"""What a search comes to."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class SearchTrial:
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
class SearchResult:
    """What a search has come to so far.

    Attributes:
        trials: in their order.
        importance: name of a setting to its share in what made trials differ, adding up to 1; empty while there are too
            few. It is Optuna's own estimate (PED-ANOVA; Watanabe, Bansal & Hutter, IJCAI 2023).
        settled: the runs that need no more work.
    """

    trials: tuple[SearchTrial, ...] = ()
    importance: Mapping[str, float] | None = None
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
        """Return plain values."""
        return {
            "trials": [each.__dict__ for each in self.trials],
            "importance": dict(self.importance or {}),
            "settled": list(self.settled),
            "best": None if self.best is None else self.best.number,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "SearchResult":
        """Return what :meth:`to_json` gave."""
        trials = tuple(SearchTrial(**each) for each in value["trials"])
        return cls(trials, value["importance"], tuple(value["settled"]))
