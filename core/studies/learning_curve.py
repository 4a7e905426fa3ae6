"""The learning curve: the same training on fewer and on more of the labelled patches.

It shows whether more labels would help. All runs have the same validation and test patches and differ in how many
training patches they learn from; the fewer are among the more (:func:`core.data.find_subsample`). Validation chooses
the epoch, and the test split is measured once for each run. ``results.json`` holds a
:class:`core.studies.learning_curve_result.CurveResult`, replaced after each run.

Each size gets as many steps as the largest one unless `equal` is "epochs". With equal epochs a tenth of the patches
has a tenth of the steps, and the curve is steeper than the labels are worth; studies of scaling therefore train
every size until validation stops improving (Hestness et al. 2017, arXiv:1712.00409; Kaplan et al. 2020,
arXiv:2001.08361). What a training counts in epochs, such as its patience, is stretched along.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np

from core.bundle import load_bundle
from core.cluster import HERE, Where
from core.data import find_subsample
from core.errors import ConfigError, DataError
from core.job import JobStatus
from core.progress import Progress
from core.runs.config import TrainingConfig
from core.storage import atomic
from core.studies.learning_curve_gains import Gains
from core.studies.learning_curve_result import CurveResult, Trained
from core.studies.study import Study, create_study, extending
from core.studies.work import finished_runs, work_on
from core.training.data import Source, open_training_data
from core.training.predictions import test_evaluation

Size = int | Literal["all"]
Equal = Literal["steps", "epochs"]
EQUAL_NAMES: dict[Equal, str] = {"steps": "as many steps for each size", "epochs": "as many epochs for each size"}
MOST_SIZES, MOST_SEEDS = 12, 20
MOST_TIMES = 20
"""A size gets at most this multiple of the epochs of the largest one: each epoch is validated, which takes time too."""

_COUNTED_IN_EPOCHS = ("epochs", "patience", "plateau_patience", "frozen_epochs")


def create_curve(
    config: TrainingConfig,
    *,
    sizes: Sequence[Size] = (),
    seeds: int = 1,
    equal: Equal = "steps",
    name: str | None = None,
) -> Study:
    """Make a learning curve that is ready to be started, see :func:`core.studies.study.start_study`.

    Args:
        config: the training; its epochs are those of the largest size, and its `patches` is replaced.
        sizes: labelled training patches of the first data set, 2 to 12 different numbers; "all" is all there are.
            Without any they are an eighth, a quarter, a half and all.
        seeds: how often each size is trained, by seeds from that of `config` on; the patches stay the same.
        equal: what each size gets as much of, "steps" or "epochs".
        name: of the study; None makes one.

    Raises:
        ConfigError: a value does not fit.
        DataError: the data cannot be opened or divided, or a size is more than there are or has one class only.
        RunError: the name is taken.
    """
    if equal not in get_args(Equal):
        raise ConfigError(f"equal must be one of {', '.join(get_args(Equal))}, got {equal!r}.")
    if not 1 <= seeds <= MOST_SEEDS:
        raise ConfigError(f"seeds must be 1 to {MOST_SEEDS}, got {seeds}.")
    config = config.with_changes(patches=0)
    numbers, others = check_sizes(config, sizes)
    # Steps of an epoch, by the rule of the trainer: an incomplete batch at its end is not taken.
    steps = [(size + others) // min(config.batch_size, size + others) for size in numbers]
    settings: dict[str, Any] = {
        "sizes": numbers,
        "seeds": [config.seed + number for number in range(seeds)],
        "equal": equal,
        "stretch": [min(MOST_TIMES, steps[-1] / each) if equal == "steps" else 1 for each in steps],
    }
    suffixes = [suffix for suffix, _ in _plan(config, settings)]
    return create_study("curve", config, name=name, settings=settings, suffixes=suffixes)


def check_sizes(config: TrainingConfig, sizes: Sequence[Size]) -> tuple[list[int], int]:
    """Return the sizes as numbers, from small to large, and how many training patches come to each without a label.

    Arguments and errors are those of :func:`create_curve`.
    """
    first, others = _divided(config.with_changes(patches=0))
    numbers = _numbers(sizes, int((first.splits == "train").sum()))
    for size in numbers:
        _check_classes(first, size, seed=config.split_seed)
    return numbers, others


def extend_curve(study: Study, seeds: int) -> None:
    """Let the learning curve go on to `seeds` seeds in all when it is next started; what it has stays.

    Raises:
        ConfigError: it has more already, or they are too many.
        RunError: a process works on it, or a name that a new run would have is taken.
    """
    with extending(study) as about:
        settings, config = about["settings"], TrainingConfig.from_json(about["config"])
        if not len(settings["seeds"]) <= seeds <= MOST_SEEDS:
            raise ConfigError(
                f"The learning curve {study.name} trains each size with {len(settings['seeds'])} seed(s), and they "
                f"stay: seeds must be {len(settings['seeds'])} to {MOST_SEEDS}, got {seeds}."
            )
        settings["seeds"] = [config.seed + number for number in range(seeds)]
        new = _plan(config, settings)[len(about["runs"]) :]
        about["runs"] += [f"{study.name}-{suffix}" for suffix, _ in new]


def parse_size(text: str) -> Size:
    """Return the size that a text stands for: a number, or "all". Raises :class:`ConfigError`."""
    if text.lower() == "all":
        return "all"
    try:
        return int(text)
    except ValueError as error:
        raise ConfigError(f"A size must be a number of patches, such as 2000, or all, got {text!r}.") from error


def curve_runs(study: Study) -> list[tuple[str, TrainingConfig]]:
    """Return the names of the runs and their settings, in their order: all sizes with one seed, then with the next."""
    plan = _plan(study.config(), study.settings())
    return [(name, config) for name, (_, config) in zip(study.run_names(), plan, strict=True)]


def curve_result(study: Study) -> CurveResult:
    """Return what the learning curve has come to so far."""
    return study.read_record(CurveResult, "results.json") or CurveResult()


def conclusion(study: Study) -> tuple[str, ...]:
    """Return in plain sentences whether more labels would help; nothing before the two largest sizes are trained."""
    settings = study.settings()
    result = curve_result(study)
    gain = result.gain_to(settings["sizes"][-1])
    if gain is None:
        return ()
    sentences = [gain.sentence(), gain.caveat()]
    unit = result.trained[0].evaluation.resampled
    if unit != "patch":
        sentences.append(f"All sizes were drawn from the same {unit}s; patches of new {unit}s may be worth more.")
    if settings["equal"] == "epochs":
        sentences.append(
            "With equal epochs the larger size also took more steps, which explains some of the difference."
        )
    if study.config().teachers:
        sentences.append("Every size had the same teachers, and what these know comes from labels too.")
    return tuple(sentences)


def work_on_curve(
    study: Study, *, notify: Callable[[str], None] = lambda _line: None, where: Where = HERE
) -> JobStatus:
    """Train what is left of the runs in this process and put the result together.

    `notify` gets a line of text on each thing that is done.

    Raises:
        NodescopeError: a run failed, or another process works on the study.
    """
    planned = curve_runs(study)
    plan = [
        (f"Run {number} of {len(planned)}: {config.patches:,} patches, seed {config.seed}: {name}", name, config)
        for number, (name, config) in enumerate(planned, start=1)
    ]

    def train(report: Progress) -> None:
        trained: list[Trained] = []
        gains, measured_before = Gains(study), len(curve_result(study).trained)
        runs = finished_runs(study, plan, report, notify, where)
        for run, (_, config) in zip(runs, planned, strict=True):
            card = load_bundle(run.bundle_path).card
            evaluation, kept = test_evaluation(run, card), card.training["epoch_kept"]
            steps = run.status().steps
            trained.append(Trained(run.name, config.patches, config.seed, config.epochs, steps, kept, evaluation))
            found = evaluation.metrics
            notify(f"  {run.name}: AUC {found['auc']}, accuracy {found['accuracy']}")
            # A resumed study comes by its finished runs first, which must not shorten the list on disk.
            if len(trained) >= measured_before:
                result = CurveResult(tuple(trained), gains.between(trained))
                atomic.write_json(study.path / "results.json", result.to_json())
        report(1.0)

    return work_on(study, train)


def _divided(config: TrainingConfig) -> tuple[Source, int]:
    """Return the first data set with its splits, and how many training patches there are beside its labelled ones."""
    divided = open_training_data(config)
    first = divided.sources[0]
    if not _has_both(first, first.splits, "test"):
        raise DataError(
            f"{first.dataset.name}: the test split does not have both tumour and normal patches, so a learning curve "
            "cannot be measured on it. Use more patches, or another split seed."
        )
    return first, len(divided.train) - int((first.splits == "train").sum())


def _numbers(sizes: Sequence[Size], labelled: int) -> list[int]:
    """Return the sizes as numbers, from small to large."""
    wanted = sizes or [labelled // 8, labelled // 4, labelled // 2, labelled]
    numbers = sorted({labelled if each == "all" else each for each in wanted})
    if len(numbers) < 2 or len(numbers) > MOST_SIZES:
        raise ConfigError(
            f"A learning curve must have 2 to {MOST_SIZES} different sizes, got {len(numbers)} "
            f"({', '.join(f'{each:,}' for each in numbers)}; all is {labelled:,})."
        )
    if numbers[0] < 2:
        raise ConfigError(
            f"A size must be at least 2 patches, one of each class, got {numbers[0]}. Write 4000, not 4,000."
        )
    return numbers


def _check_classes(source: Source, size: int, *, seed: int) -> None:
    subsample = find_subsample(source.dataset, source.splits, patches=size, seed=seed)
    if subsample is not None and not _has_both(source, subsample.apply(source.dataset, source.splits), "train"):
        raise DataError(
            f"{source.dataset.name}: the {size:,} patches of a size have one class only, and both are "
            "needed. Take more of them, or another split seed."
        )


def _has_both(source: Source, splits: np.ndarray, split: str) -> bool:
    return len(set(source.dataset.labels(np.flatnonzero(splits == split)))) == 2


def _plan(config: TrainingConfig, settings: Mapping[str, Any]) -> list[tuple[str, TrainingConfig]]:
    """Return the end of each run's name and its settings."""
    several = len(settings["seeds"]) > 1
    return [
        (f"{size}-patches" + (f"-seed-{seed}" if several else ""), _config(config, size, seed, stretch))
        for seed in settings["seeds"]
        for size, stretch in zip(settings["sizes"], settings["stretch"], strict=True)
    ]


def _config(config: TrainingConfig, size: int, seed: int, stretch: float) -> TrainingConfig:
    """Return the settings of one run; what is counted in epochs is stretched, and what is 0 stays 0."""
    values = {name: getattr(config, name) for name in _COUNTED_IN_EPOCHS}
    stretched = {name: min(10_000, max(1, round(value * stretch))) for name, value in values.items() if value}
    return config.with_changes(patches=size, seed=seed, **stretched)
