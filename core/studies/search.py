"""Search: Optuna chooses settings, trial after trial, and every trial is a run like any other.

The study's folder also holds::

    optuna.db           what Optuna remembers (SQLite)
    trials/001.json     how the trial ended, written by the process that trained it
    results.json        core.studies.search_result.SearchResult, replaced after each epoch; pages and commands read it

What trial n tries depends on the search's seed, n and the results of the trials before, so that a search that was
killed goes on as it would have. Trials of one round are drawn together and may be trained at the same time: they know
the rounds before and nothing of each other, so that the number of processes changes nothing. Trials are compared by
their validation AUC; test patches choose nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from core.cluster import HERE, Piece, Where, carry_out
from core.errors import ConfigError
from core.job import Cancelled, JobStatus
from core.progress import Progress
from core.runs.config import TrainingConfig
from core.runs.run import Run
from core.storage import atomic
from core.storage.home import runs_home
from core.studies.search_memory import (
    Pruner,
    axes_of,
    importance_of,
    remembering,
    sampler_of,
    suggest,
    view_of,
)
from core.studies.search_result import SearchResult, SearchTrial
from core.studies.search_space import DEFAULT_OVER, own_values, parse_axes
from core.studies.search_trial import aucs_of, ended, train_trial
from core.studies.study import Study, create_study, extending
from core.studies.work import piece_of, work_on

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

MOST_TRIALS = 999
STATES = {"RUNNING": "running", "COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed"}


def create_search(
    config: TrainingConfig,
    *,
    trials: int = 20,
    over: Sequence[str] = DEFAULT_OVER,
    pruner: Pruner = "median",
    together: int = 1,
    seed: int = 0,
    name: str | None = None,
) -> Study:
    """Make a search that is ready to be started, see :func:`core.studies.study.start_study`.

    Args:
        config: what the trials share. If its own values lie in the ranges, they are the first trial.
        trials: how many, 1 to 999.
        over: what is varied, see :func:`core.studies.search_space.parse_axes`.
        pruner: ends trials early that do worse than the others did: than their median, by successive halving
            ("hyperband"), or never.
        together: trials of a round: more can be trained at the same time, and each knows less.
        seed: of the search; that of the trainings stands in `config`.
        name: of the study; None makes one.

    Raises:
        ConfigError: a value does not fit.
        RunError: the name is taken.
    """
    if not 1 <= trials <= MOST_TRIALS:
        raise ConfigError(f"trials must be 1 to {MOST_TRIALS}, got {trials}.")
    if pruner not in get_args(Pruner):
        raise ConfigError(f"pruner must be one of {', '.join(get_args(Pruner))}, got {pruner!r}.")
    if not 1 <= together <= MOST_TRIALS:
        raise ConfigError(f"together must be 1 to {MOST_TRIALS}, got {together}.")
    axes = parse_axes(over, config)
    settings = {
        "trials": trials, "over": [axis.to_json() for axis in axes], "pruner": pruner, "together": together,
        "seed": seed,
    }  # fmt: skip
    return create_study("search", config, name=name, settings=settings, suffixes=_suffixes(trials))


def extend_search(study: Study, trials: int) -> None:
    """Let the search go on to `trials` trials in all when it is next started.

    Raises:
        ConfigError: it has more already.
        RunError: a process works on it, or a name that a new trial would have is taken.
    """
    with extending(study) as about:
        if not about["settings"]["trials"] <= trials <= MOST_TRIALS:
            raise ConfigError(
                f"The search {study.name} has {about['settings']['trials']} trials, and they stay: trials must be "
                f"{about['settings']['trials']} to {MOST_TRIALS}, got {trials}."
            )
        about["settings"]["trials"] = trials
        about["runs"] = [f"{study.name}-{suffix}" for suffix in _suffixes(trials)]


def search_result(study: Study) -> SearchResult:
    """Return what the search has come to so far."""
    result = study.read_record(SearchResult, "results.json") or SearchResult()
    return result if study.status().is_active else result.at_rest()


def work_on_search(
    study: Study, *, notify: Callable[[str], None] = lambda _line: None, where: Where = HERE
) -> JobStatus:
    """Make the trials that are left, in this process.

    A trial whose training fails (its loss is not a number) is noted as failed, and the search goes on.

    Args:
        study: made by :func:`create_search`.
        notify: gets a line of text on each thing that is done.
        where: its runs are trained.

    Raises:
        NodescopeError: a run could not be worked on, or another process works on the study.
    """

    def what(report: Progress) -> None:
        with remembering(study) as memory, where.pool() as pool:
            searcher = _Searcher(study, memory, notify)

            def progress(share: float) -> None:
                searcher.write()
                report(min(trials[0].number + share * len(trials), searcher.wanted) / searcher.wanted)

            while trials := searcher.next_round():
                searcher.write()
                for _, outcome in carry_out(
                    pool,
                    searcher.pieces(trials),
                    progress=progress,
                    begin=lambda piece: notify(searcher.sentence(piece.arguments)),
                    stop=lambda _pieces: study.request_stop(),
                ):
                    if outcome.error is not None:
                        raise outcome.error
                    if outcome.state == "stopped":
                        raise Cancelled
                for trial in trials:
                    searcher.tell(trial)
        report(1.0)

    return work_on(study, what)


class _Searcher:
    """Draws the trials of a round, has them trained, and writes down what came of them."""

    def __init__(self, study: Study, memory: "optuna.Study", notify: Callable[[str], None]):
        self.study, self.memory, self.notify = study, memory, notify
        self.config, self.axes = study.config(), axes_of(study)
        settings = study.settings()
        self.wanted: int = settings["trials"]
        self.together: int = settings.get("together", 1)
        self.importance = importance_of(memory)
        self._written = SearchResult()
        self.write()

    def next_round(self) -> "list[FrozenTrial]":
        """Return the trials of the next round that are not told yet, drawn if they are new; none when all are done."""
        known = self._trials()
        told = [each.number for each in known if each.state.is_finished()]
        first = next((n for n in range(self.wanted) if n not in told), self.wanted)
        last = min(self.wanted, first // self.together * self.together + self.together)
        for number in range(len(known), last):
            if number == len(self.memory.get_trials(deepcopy=False)):  # else it waits since its process was killed
                own = own_values(self.config, self.axes) if number == 0 else None
                drawn = view_of(self.study, self.history(number), number).ask()
                self.memory.enqueue_trial(own or {axis.name: suggest(drawn, axis) for axis in self.axes})
            self.memory.ask()
        left = [each for each in self._trials()[first:last] if not each.state.is_finished()]
        for each in left:
            for axis in self.axes:
                suggest(self._taken_up(each), axis)
        return [each for each in self._trials()[first:last] if not each.state.is_finished()]

    def pieces(self, trials: "Sequence[FrozenTrial]") -> list[Piece]:
        """Return what is to be done for trials of one round."""
        names = self.study.run_names()
        return [
            piece_of(
                self.study, names[each.number], train_trial, number=each.number, values=dict(each.params),
                history=self.history(each.number),
            )
            for each in trials
        ]  # fmt: skip

    def sentence(self, trial: Mapping[str, Any]) -> str:
        """Return a line on a trial that begins, from the arguments of its piece."""
        return f"Trial {trial['number'] + 1} of {self.wanted}: {_listed(trial['values'])}"

    def history(self, number: int) -> "list[FrozenTrial]":
        """Return what trial `number` may know: the trials of the rounds before."""
        return self.memory.get_trials(deepcopy=False)[: number // self.together * self.together]

    def tell(self, trial: "FrozenTrial") -> None:
        """Note how a trial ended, as its folder says."""
        from optuna.trial import TrialState

        found = self.study.require_json(ended(trial.number))
        resumed = self._taken_up(trial)
        for epoch, auc in enumerate(found["aucs"], 1):
            if epoch not in trial.intermediate_values:
                resumed.report(auc, epoch)
        for name, value in found["attributes"].items():
            self.memory._storage.set_trial_system_attr(trial._trial_id, name, value)
        state, pruned = TrialState[found["state"]], found["state"] == "PRUNED"
        self.memory.tell(trial.number, None if state != TrialState.COMPLETE else found["auc"], state=state)
        if found["auc"] is None:
            self.notify(f"Trial {trial.number + 1} failed: {found['message']}")
        else:
            pruned_after = f", pruned after epoch {len(found['aucs'])}" if pruned else ""
            self.notify(f"Trial {trial.number + 1}: validation AUC {found['auc']:.4f}{pruned_after}")
        self.importance = importance_of(self.memory)
        self.write()

    def write(self) -> None:
        """Replace results.json by what is known now, if it is another."""
        names, found = self.study.run_names(), []
        for each in self._trials():
            seen = each.intermediate_values
            if not each.state.is_finished():
                seen = dict(enumerate(aucs_of(Run(runs_home() / names[each.number])), 1))
            auc = each.value if each.state.name == "COMPLETE" else max(seen.values(), default=None)
            state, values = STATES[each.state.name], dict(each.params)
            found.append(SearchTrial(each.number + 1, names[each.number], state, values, auc, len(seen)))
        settled = tuple(each.run for each in found if each.state != "running")
        result = SearchResult(tuple(found), self.importance, settled)
        if result != self._written:
            atomic.write_json(self.study.path / "results.json", result.to_json())
            self._written = result

    def _taken_up(self, trial: "FrozenTrial") -> "optuna.Trial":
        from optuna.trial import Trial

        self.memory.sampler = sampler_of(self.study.settings()["seed"], trial.number)
        # Optuna has no other way to take up a trial that another process began.
        return Trial(self.memory, trial._trial_id)

    def _trials(self) -> "list[FrozenTrial]":
        return [each for each in self.memory.get_trials(deepcopy=False) if each.state.name in STATES]


def _suffixes(trials: int) -> list[str]:
    return [f"trial-{number:03}" for number in range(1, trials + 1)]


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )
