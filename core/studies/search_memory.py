"""What a search remembers, with Optuna: the database of its trials, and what one trial may know of the others.

Optuna takes a second to import, and only the process of a search needs it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from core.studies.search_space import Axis
from core.studies.study import Study

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

Pruner = Literal["median", "hyperband", "none"]
RANDOM_TRIALS = 5
"""The first trials are drawn at random, because Optuna has nothing to conclude from, and the median prunes none."""


def axes_of(study: Study) -> tuple[Axis, ...]:
    """Return what the search varies."""
    over = study.settings()["over"]
    return study.understood("study.json", lambda: tuple(Axis.from_json(each) for each in over))


def view_of(study: Study, history: "list[FrozenTrial]", number: int) -> "optuna.Study":
    """Return a study in memory whose next trial is `number`: the others of its round are there and say nothing.

    Sampler and pruner are made anew for each trial, so that a resumed search draws what it would have drawn.
    """
    import optuna
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # a worker has it from nobody else
    settings = study.settings()
    view = optuna.create_study(
        study_name=study.name, direction="maximize", sampler=sampler_of(settings["seed"], number),
        pruner=_pruner(settings["pruner"], study.config().epochs),
    )  # fmt: skip
    view.add_trials([*history, *(create_trial(state=TrialState.FAIL) for _ in range(len(history), number))])
    return view


@contextmanager
def remembering(study: Study) -> Iterator["optuna.Study"]:
    """Open what a search remembers, made where there is none. Raises :class:`RunError` if it is damaged."""
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


def sampler_of(seed: int, number: int) -> "optuna.samplers.BaseSampler":
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


def suggest(trial: "optuna.Trial", axis: Axis) -> Any:
    """Return what a trial tries of one setting."""
    if axis.choices:
        return trial.suggest_categorical(axis.name, axis.choices)
    return trial.suggest_float(axis.name, axis.low, axis.high, log=axis.log)


def importance_of(memory: "optuna.Study") -> dict[str, float]:
    """Return the importance of the settings; none before there are as many finished trials as random ones."""
    from optuna.importance import get_param_importances
    from optuna.trial import TrialState

    finished = memory.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    # Between equal values there is no difference to explain.
    if len(finished) < RANDOM_TRIALS or len({each.value for each in finished}) < 2:
        return {}
    found = get_param_importances(memory)
    return {name: float(share) for name, share in found.items()}
