"""The trials of a search: drawn in rounds, trained as pieces, and noted in what Optuna remembers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from core.cluster import Piece
from core.errors import TrainingError
from core.job import Cancelled
from core.progress import Progress
from core.runs.config import TrainingConfig
from core.runs.run import Run
from core.storage import atomic
from core.storage.home import runs_home
from core.studies.search_result import SearchResult, SearchTrial
from core.studies.search_space import Axis, own_values
from core.studies.study import Study
from core.studies.work import piece_of, stopping, train_run
from core.training.trainer import Stopped

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

Pruner = Literal["median", "hyperband", "none"]
RANDOM_TRIALS = 5
"""The first trials are drawn at random, because Optuna has nothing to conclude from, and the median prunes none."""

STATES = {"RUNNING": "running", "COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed"}


def axes_of(study: Study) -> tuple[Axis, ...]:
    """Return what the search varies."""
    over = study.settings()["over"]
    return study.understood("study.json", lambda: tuple(Axis.from_json(each) for each in over))


class Searcher:
    """Draws the trials of a round and writes down what came of them.

    Args:
        study: the search.
        memory: what Optuna remembers of it.
        notify: gets a line of text on each trial that has ended.
    """

    def __init__(self, study: Study, memory: "optuna.Study", notify: Callable[[str], None]):
        self.study, self.memory, self.notify = study, memory, notify
        self.config, self.axes = study.config(), axes_of(study)
        settings = study.settings()
        self.wanted: int = settings["trials"]
        self.together: int = settings.get("together", 1)
        self.importance = _importance(memory)
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
                drawn = _view(self.study, self.history(number), number).ask()
                self.memory.enqueue_trial(own or {axis.name: _suggest(drawn, axis) for axis in self.axes})
            self.memory.ask()
        left = [each for each in self._trials()[first:last] if not each.state.is_finished()]
        for each in left:
            for axis in self.axes:
                _suggest(self._taken_up(each), axis)
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

        found = self.study.require_json(_ended(trial.number))
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
        self.importance = _importance(self.memory)
        self.write()

    def write(self) -> None:
        """Replace results.json by what is known now, if it is another."""
        names, found = self.study.run_names(), []
        for each in self._trials():
            seen = each.intermediate_values
            if not each.state.is_finished():
                seen = dict(enumerate(_aucs(Run(runs_home() / names[each.number])), 1))
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

        self.memory.sampler = _sampler(self.study.settings()["seed"], trial.number)
        # Optuna has no other way to take up a trial that another process began.
        return Trial(self.memory, trial._trial_id)

    def _trials(self) -> "list[FrozenTrial]":
        return [each for each in self.memory.get_trials(deepcopy=False) if each.state.name in STATES]


def train_trial(
    *, study: Path, number: int, name: str, values: dict[str, Any], history: "list[FrozenTrial]", progress: Progress
) -> None:
    """Train one trial and write down how it ended: a piece of a search, see :class:`core.cluster.Piece`.

    Whether it is pruned is decided from its history, the rounds before, so that it does not matter who is faster.

    Raises:
        Cancelled: somebody requested the end of the study or of the run.
        NodescopeError: the run cannot be worked on.
    """
    home = Study(study)
    if (home.path / _ended(number)).is_file():
        return
    config, view = home.config(), _view(home, history, number)
    view.enqueue_trial(values)
    trial = view.ask()
    for axis in axes_of(home):
        _suggest(trial, axis)
    pruned, on_epoch = False, stopping(progress, config.epochs)

    def after_epoch(rows: Sequence[Mapping[str, float]]) -> None:
        nonlocal pruned
        for row in rows:
            epoch = int(row["epoch"])
            if epoch not in view.trials[number].intermediate_values:
                trial.report(row["valid_auc"], epoch)
                pruned = epoch < config.epochs and trial.should_prune()
        if pruned:
            raise Stopped(
                f"Pruned after epoch {len(rows)}: its validation AUC was behind that of the other trials of "
                f"{home.name}. Resume it to train it to its end nevertheless."
            )
        on_epoch(rows)

    message, auc = "", None
    try:
        run, status = train_run(home, name, config.with_changes(**values), after_epoch=after_epoch)
    except TrainingError as error:
        state, message = "FAIL", str(error)
    else:
        if status.state != "finished" and not pruned:
            raise Cancelled
        state, auc = "PRUNED" if pruned else "COMPLETE", _auc(run, config)
    aucs = list(view.trials[number].intermediate_values.values()) if auc is None else _aucs(run)
    attributes = {key: value for key, value in view.trials[number].system_attrs.items() if key != "fixed_params"}
    about = {"state": state, "auc": auc, "aucs": aucs, "attributes": attributes, "message": message}
    atomic.write_json(home.path / _ended(number), about)


def _ended(number: int) -> str:
    """Return where a trial's end is noted, under the folder of the study."""
    return f"trials/{number + 1:03}.json"


def _view(study: Study, history: "list[FrozenTrial]", number: int) -> "optuna.Study":
    """Return a study in memory whose next trial is `number`: the others of its round are there and say nothing.

    Sampler and pruner are made anew for each trial, so that a resumed search draws what it would have drawn.
    """
    import optuna
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # a worker has it from nobody else
    settings = study.settings()
    view = optuna.create_study(
        study_name=study.name, direction="maximize", sampler=_sampler(settings["seed"], number),
        pruner=_pruner(settings["pruner"], study.config().epochs),
    )  # fmt: skip
    view.add_trials([*history, *(create_trial(state=TrialState.FAIL) for _ in range(len(history), number))])
    return view


@contextmanager
def remembering(study: Study) -> Iterator["optuna.Study"]:
    """Hold what Optuna remembers of a search open during the body. Raises :class:`RunError` where it is damaged."""
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


def _aucs(run: Run) -> list[float]:
    """Return the validation AUC of each epoch that is trained, also before there is a run."""
    metrics = run.metrics()
    return [] if metrics.empty else [float(value) for value in metrics["valid_auc"]]


def _auc(run: Run, config: TrainingConfig) -> float:
    column = run.metrics()["valid_auc"]
    return float(column.max() if config.keep == "best" else column.iloc[-1])


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )
