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

from collections.abc import Callable, Sequence
from typing import get_args

from core.cluster import HERE, Where, carry_out
from core.errors import ConfigError
from core.job import JobStatus
from core.progress import Progress
from core.runs.config import TrainingConfig
from core.studies.search_result import SearchResult
from core.studies.search_space import DEFAULT_OVER, parse_axes
from core.studies.search_trials import Pruner, Searcher, remembering
from core.studies.study import Study, create_study, extending
from core.studies.work import work_on

MOST_TRIALS = 999


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

    A trial whose training fails (its loss is not a number) is noted as failed, and the search goes on. `notify` gets a
    line of text on each thing that is done.

    Raises:
        NodescopeError: a run could not be worked on, or another process works on the study.
    """

    def what(report: Progress) -> None:
        with remembering(study) as memory, where.pool(study.config().device) as pool:
            searcher = Searcher(study, memory, notify)

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
                    outcome.result()
                for trial in trials:
                    searcher.tell(trial)
        report(1.0)

    return work_on(study, what)


def _suffixes(trials: int) -> list[str]:
    return [f"trial-{number:03}" for number in range(1, trials + 1)]
