"""Search: Optuna chooses settings, trial after trial, and every trial is a run like any other.

The study's folder also holds::

    optuna.db           what Optuna remembers (SQLite)
    results.json        core.studies.search_result.SearchResult, replaced after each epoch; pages and commands read it

What trial n tries depends on the search's seed, n and the results of the trials before, so that a search that was
killed goes on as it would have. Trials are compared by their validation AUC; test patches choose nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from core.errors import ConfigError, TrainingError
from core.job import Cancelled, JobStatus
from core.progress import Progress
from core.runs.config import TrainingConfig
from core.runs.run import Run
from core.storage import atomic
from core.studies.search_result import SearchResult, SearchTrial
from core.studies.search_space import DEFAULT_OVER, Axis, own_values, parse_axes
from core.studies.study import Study, create_study, extending
from core.studies.work import train_run, work_on
from core.training.trainer import Stopped

if TYPE_CHECKING:
    import optuna

Pruner = Literal["median", "hyperband", "none"]
MOST_TRIALS = 999
RANDOM_TRIALS = 5
"""The first trials are drawn at random, because Optuna has nothing to conclude from, and the median prunes none."""

STATES = {"RUNNING": "running", "COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed"}


def create_search(
    config: TrainingConfig,
    *,
    trials: int = 20,
    over: Sequence[str] = DEFAULT_OVER,
    pruner: Pruner = "median",
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
    axes = parse_axes(over, config)
    settings = {"trials": trials, "over": [axis.to_json() for axis in axes], "pruner": pruner, "seed": seed}
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


def axes_of(study: Study) -> tuple[Axis, ...]:
    """Return what the search varies."""
    over = study.settings()["over"]
    return study.understood("study.json", lambda: tuple(Axis.from_json(each) for each in over))


def work_on_search(study: Study, *, notify: Callable[[str], None] = lambda _line: None) -> JobStatus:
    """Make the trials that are left, in this process.

    A trial whose training fails (its loss is not a number) is noted as failed, and the search goes on.

    Args:
        study: made by :func:`create_search`.
        notify: gets a line of text on each thing that is done.

    Raises:
        NodescopeError: a run could not be worked on, or another process works on the study.
    """

    def what(report: Progress) -> None:
        with _remembering(study) as memory:
            searcher = _Searcher(study, memory, notify)
            while (trial := searcher.next()) is not None:
                report(trial.number / searcher.wanted)
                searcher.carry_out(trial)
        report(1.0)

    return work_on(study, what)


class _Searcher:
    """Carries trials out and writes down what came of them."""

    def __init__(self, study: Study, memory: "optuna.Study", notify: Callable[[str], None]):
        self.study, self.memory, self.notify = study, memory, notify
        self.config, self.axes = study.config(), axes_of(study)
        self.wanted: int = study.settings()["trials"]
        self.importance = _importance(memory)
        self._write()

    def next(self) -> "optuna.Trial | None":
        """Return the trial that was left unfinished, or a new one; None when there are enough."""
        from optuna.trial import Trial, TrialState

        states = [each.state for each in self.memory.get_trials(deepcopy=False)]
        number = sum(state != TrialState.WAITING for state in states)
        unfinished = self.memory.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        if unfinished:
            number = unfinished[0].number
        if number >= self.wanted:
            return None
        # Both are made anew for each trial, so that a resumed search draws what it would have drawn.
        self.memory.sampler = _sampler(self.study.settings()["seed"], number)
        self.memory.pruner = _pruner(self.study.settings()["pruner"], self.config.epochs)
        first = own_values(self.config, self.axes)
        if not states and first is not None:
            self.memory.enqueue_trial(first)
        # Optuna has no other way to take up a trial whose process was killed.
        return Trial(self.memory, unfinished[0]._trial_id) if unfinished else self.memory.ask()

    def carry_out(self, trial: "optuna.Trial") -> None:
        from optuna.trial import TrialState

        values = {axis.name: _suggest(trial, axis) for axis in self.axes}
        name = self.study.run_names()[trial.number]
        self.notify(f"Trial {trial.number + 1} of {self.wanted}: {_listed(values)}")
        self._write()
        pruned = False

        def after_epoch(rows: Sequence[Mapping[str, float]]) -> None:
            nonlocal pruned
            self._report(trial, rows)
            self._write()
            if len(rows) < self.config.epochs and trial.should_prune():
                pruned = True
                raise Stopped(
                    f"Pruned after epoch {len(rows)}: its validation AUC was behind that of the other trials of "
                    f"{self.study.name}. Resume it to train it to its end nevertheless."
                )

        try:
            run, status = train_run(self.study, name, self.config.with_changes(**values), after_epoch=after_epoch)
        except TrainingError as error:
            self.memory.tell(trial.number, state=TrialState.FAIL)
            self.notify(f"  failed: {error}")
        else:
            if status.state != "finished" and not pruned:
                raise Cancelled
            auc = _auc(run, self.config)
            if pruned:
                self.memory.tell(trial.number, state=TrialState.PRUNED)
            else:
                self.memory.tell(trial.number, auc)
            self.notify(
                f"  validation AUC {auc:.4f}" + (f", pruned after epoch {len(run.metrics())}" if pruned else "")
            )
        self.importance = _importance(self.memory)
        self._write()

    def _report(self, trial: "optuna.Trial", rows: Sequence[Mapping[str, float]]) -> None:
        known = self.memory.get_trials(deepcopy=False)[trial.number].intermediate_values
        for row in rows:
            if int(row["epoch"]) not in known:
                trial.report(row["valid_auc"], int(row["epoch"]))

    def _write(self) -> None:
        """Replace results.json by what Optuna remembers."""
        names, found = self.study.run_names(), []
        for each in self.memory.get_trials(deepcopy=False):
            if each.state.name in STATES:
                seen = each.intermediate_values
                auc = each.value if each.state.name == "COMPLETE" else max(seen.values(), default=None)
                state, values = STATES[each.state.name], dict(each.params)
                found.append(SearchTrial(each.number + 1, names[each.number], state, values, auc, len(seen)))
        settled = tuple(each.run for each in found if each.state != "running")
        result = SearchResult(tuple(found), self.importance, settled)
        atomic.write_json(self.study.path / "results.json", result.to_json())


@contextmanager
def _remembering(study: Study) -> Iterator["optuna.Study"]:
    # Optuna takes a second to import and only the process of a search needs it.
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(f"sqlite:///{study.path / 'optuna.db'}")
    try:
        try:
            memory = optuna.create_study(
                storage=storage, study_name=study.name, direction="maximize", load_if_exists=True
            )
        except (SQLAlchemyError, optuna.exceptions.OptunaError) as error:
            raise study.damaged("optuna.db", str(error).splitlines()[0]) from error
        yield memory
    finally:
        # Else the file of the database stays open, while the study may be moved to the trash.
        storage.remove_session()
        storage.engine.dispose()


def _sampler(seed: int, number: int) -> "optuna.samplers.BaseSampler":
    """Return the sampler of one trial: a generator that lived longer would start anew in a resumed search."""
    from optuna.samplers import TPESampler

    state = np.random.SeedSequence([seed, number]).generate_state(1)[0]
    return TPESampler(seed=int(state), n_startup_trials=RANDOM_TRIALS)


def _pruner(name: Pruner, epochs: int) -> "optuna.pruners.BasePruner":
    from optuna import pruners

    if name == "median":
        return pruners.MedianPruner(n_startup_trials=RANDOM_TRIALS, n_warmup_steps=epochs // 4 + 1)
    if name == "hyperband":
        return pruners.HyperbandPruner(min_resource=1, max_resource=epochs)
    return pruners.NopPruner()


def _suggest(trial: "optuna.Trial", axis: Axis) -> Any:
    if axis.choices:
        return trial.suggest_categorical(axis.name, axis.choices)
    return trial.suggest_float(axis.name, axis.low, axis.high, log=axis.log)


def _importance(memory: "optuna.Study") -> dict[str, float]:
    """Return the importance of the settings; none before there are as many finished trials as random ones."""
    from optuna.importance import get_param_importances
    from optuna.trial import TrialState

    finished = memory.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    # Between equal values there is no difference to explain.
    if len(finished) < RANDOM_TRIALS or len({each.value for each in finished}) < 2:
        return {}
    found = get_param_importances(memory)
    return {name: float(share) for name, share in found.items()}


def _auc(run: Run, config: TrainingConfig) -> float:
    column = run.metrics()["valid_auc"]
    return float(column.max() if config.keep == "best" else column.iloc[-1])


def _suffixes(trials: int) -> list[str]:
    return [f"trial-{number:03}" for number in range(1, trials + 1)]


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )
