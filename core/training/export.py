"""From trained weights to a bundle: round, calibrate, choose the threshold, measure, fit the OOD model."""

import logging
import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import core
import models
from core.bundle import Bundle, Card, Measurement, OodModel, OperatingCurve, halve
from core.bundle.card import SLIDE_SPECIFICITIES
from core.data import SplitRule
from core.errors import BundleError, DataError, EvaluationError
from core.evaluation import (
    Calibration,
    best_threshold,
    cross_fit,
    evaluate,
    fit_calibration,
    threshold_for_specificity,
)
from core.prediction import Predictor, fit_ood_model
from core.prediction.engine import TORCH
from core.prediction.ood_warnings import MOST
from core.runs.flaws import card_note
from core.runs.run import Run
from core.storage import atomic
from core.training.data import Source, TrainingData
from core.training.outcome import Outcome
from core.training.patches import UNLABELLED, Patches

logger = logging.getLogger("nodescope.training")

RANDOM_SPLIT_NOTE = (
    "The split is by patch, so that patches of one slide may stand on both sides of it: the metrics are optimistic for "
    "slides that are new to the model."
)
SYNTHETIC_NOTE = "Synthetic demo patches are among the training data."


def finish(run: Run, outcome: Outcome, *, notify: Callable[[str], None]) -> Bundle:
    """Write ``predictions.csv``, ``test_predictions.csv`` and the bundle of a run that has trained to its end.

    See :func:`complete`, which writes them.
    """
    config = outcome.config
    model, weights = _as_shipped(outcome)
    card = Card(
        name=run.name,
        model=model,
        arguments=models.complete_arguments(model, config.model_arguments),
        mean=config.mean,
        std=config.std,
        # These two are replaced below: they are fitted to logits, and logits come from a bundle with a card.
        calibration=Calibration(temperature=1.0, bias=0.0),
        threshold=0.5,
        training=_provenance(outcome),
        stain=outcome.training_data.stain,
        package=models.package_of(model),
        notes=_notes(outcome),
    )
    bundle = complete(card, weights, outcome.training_data, device=config.device, notify=notify, place=run.place)
    bundle.save(run.place(run.bundle_path.name))
    return bundle


def complete(
    card: Card,
    weights: dict[str, torch.Tensor],
    training_data: TrainingData,
    *,
    device: str,
    notify: Callable[[str], None] = lambda _: None,
    place: Callable[[str], Path] | None = None,
) -> Bundle:
    """Return the bundle of a trained network: rounded, calibrated, with its thresholds, metrics and OOD model.

    Temperature, bias and thresholds are fitted on the validation patches, on the weights as they are stored. Then the
    test splits are measured, each once.

    Args:
        card: what is known of the network; calibration, thresholds and metrics are replaced.
        weights: float32.
        training_data: with the patches that choose, measure and tell what is familiar.
        device: where it predicts.
        notify: gets what is being done.
        place: from a name to the path of a new file, for ``predictions.csv`` and ``test_predictions.csv``; None writes
            neither.
    """
    # Rounded before anything is measured, so that all metrics are of what is shipped.
    bundle = Bundle(card, halve(weights))
    predictor = Predictor(bundle, device=f"{device}:{TORCH}")  # the same card, whatever is installed
    valid = training_data.valid
    notify("Calibrating on validation patches")
    logits = predictor.predict(valid.pixels).logits
    calibration = fit_calibration(logits, valid.labels)
    probabilities = calibration.apply(logits)
    threshold = best_threshold(valid.labels, probabilities)
    operating = OperatingCurve.measured(
        valid.labels, probabilities, exact=[threshold, *_for_slides(valid.labels, probabilities)]
    )
    halves = cross_fit(valid.labels, logits, groups=valid.slides)
    card = card.with_changes(
        calibration=calibration,
        threshold=threshold,
        slide_threshold=None,
        operating=operating,
        notes=(*card.notes, *([halves.sentence] if halves else [])),
    )
    if place is not None:
        _write_predictions(place("predictions.csv"), valid, logits, probabilities)
    notify("Measuring on test patches")
    card = card.with_changes(measured=_measure(place, predictor, card, training_data, probabilities))
    notify("Computing OOD statistics")
    return Bundle(card, bundle.weights, _ood_model(bundle, training_data.sources, device=device))


def _for_slides(labels: np.ndarray, probabilities: np.ndarray) -> list[float]:
    """Return the thresholds for slides, so that the card's curve has them exactly; none that no patch allows."""
    found = []
    for specificity in SLIDE_SPECIFICITIES:
        with suppress(EvaluationError):  # too many normal patches have a probability of 1
            found.append(threshold_for_specificity(labels, probabilities, at_least=specificity))
    return found


def _as_shipped(outcome: Outcome) -> tuple[str, dict[str, torch.Tensor]]:
    """Return the network's name and weights as the bundle holds them: baked, where it has a plain form."""
    config = outcome.config
    state = {name.removeprefix("network."): value for name, value in outcome.weights.items()}
    # The normalisation's own buffers; a bundle has these two in its card.
    state = {name: value for name, value in state.items() if name not in ("mean", "std")}
    if config.model not in models.BAKES_TO:
        return config.model, state
    network: Any = models.build(config.model, **config.model_arguments)
    network.load_state_dict(state)
    baked = network.eval().bake()
    return models.BAKES_TO[config.model], dict(baked.state_dict())


def _ood_model(bundle: Bundle, sources: tuple[Source, ...], *, device: str) -> OodModel | None:
    """Fit the OOD model to a draw of each source's training patches; None, with the reason logged, if it cannot be."""
    pixels, slides = {}, {}
    for source in sources:
        # Always the same draw, so that a resumed run ends with the same bundle.
        rows = np.random.default_rng(0).permutation(np.flatnonzero(source.splits == "train"))[:MOST]
        loaded = source.dataset.store.load(rows)
        pixels[source.dataset.name] = loaded.pixels[loaded.readable]
        known = source.dataset.units(rows[loaded.readable])
        if known is not None:
            slides[source.dataset.name] = known
    try:
        return fit_ood_model(bundle, pixels, slides=slides, device=device)
    except (DataError, BundleError) as error:
        logger.warning("The bundle has no out-of-distribution model. %s", error)
        return None


def _measure(
    place: Callable[[str], Path] | None,
    predictor: Predictor,
    card: Card,
    training_data: TrainingData,
    valid_probabilities: np.ndarray,
) -> tuple[Measurement, ...]:
    measured = []
    for number, source in enumerate(training_data.sources):
        test = training_data.test(number)
        name, fingerprint = source.dataset.name, source.dataset.fingerprint()
        if number and not len(test):
            logger.info("%s has no test split, so that nothing is measured on it.", name)
            continue
        logits = predictor.predict(test.pixels).logits
        probabilities = card.calibration.apply(logits)
        if number == 0 and place is not None:
            _write_predictions(place("test_predictions.csv"), test, logits, probabilities)
        try:
            evaluation = evaluate(
                test.labels, probabilities, threshold=card.threshold, groups=test.slides, unit=test.unit
            )
        except EvaluationError as error:
            # The bundle is good all the same; its card measures one split fewer.
            logger.warning("%s: the test split could not be measured. %s", name, error)
            continue
        measured.append(Measurement(name, fingerprint, "test", evaluation))
        logger.info(
            "%s, test split (n = %d): AUC %s, accuracy %s",
            name, len(test), evaluation.metrics["auc"], evaluation.metrics["accuracy"],
        )  # fmt: skip
    chooses, valid = training_data.sources[training_data.validates].dataset, training_data.valid
    validation = evaluate(
        valid.labels, valid_probabilities, threshold=card.threshold, groups=valid.slides, unit=valid.unit
    )
    return (*measured, Measurement(chooses.name, chooses.fingerprint(), "valid", validation))


def _write_predictions(path: Path, patches: Patches, logits: np.ndarray, probabilities: np.ndarray) -> None:
    table = pd.DataFrame(
        {"id": patches.ids, "label": patches.labels, "logit": logits, "probability": probabilities},
    )
    atomic.write_text(path, table.to_csv(index=False, lineterminator="\n"))


def _provenance(outcome: Outcome) -> dict[str, Any]:
    teachers = named(outcome.teachers)
    unlabelled = int((outcome.training_data.train.labels == UNLABELLED).sum())
    return {
        **({"teachers": teachers, "unlabelled": unlabelled} if teachers else {}),
        "data": [source.provenance() for source in outcome.training_data.sources],
        "left_out": len(outcome.training_data.problems),
        "config": outcome.config.provenance(),
        "epoch_kept": outcome.epoch,
        "minutes": round(outcome.seconds / 60, 1),
        "device": outcome.device,
        "versions": versions(),
    }


def named(bundles: Sequence[Bundle]) -> list[dict[str, str]]:
    """Return what a card says of the bundles that another one was made with."""
    return [{"name": each.card.name, "digest": each.digest, "model": each.card.model} for each in bundles]


def versions() -> dict[str, str]:
    """Return what a card says of the programs that made it."""
    return {"nodescope": core.__version__, "torch": torch.__version__, "python": platform.python_version()}


def _notes(outcome: Outcome) -> tuple[str, ...]:
    """Return what a reader of the card has to know about its metrics, a sentence or two each."""
    sources = outcome.training_data.sources
    notes = [
        f"The teacher {bundle.card.name} ({bundle.digest}) was trained on another split of {source.dataset.name}: what "
        "it taught may come from patches of the validation and test splits, and the metrics are optimistic."
        for bundle in outcome.teachers
        for source in sources
        if _knows_another_split(bundle, source)
    ]
    reported = card_note(outcome.config, outcome.metrics)
    return (*source_notes(sources), *notes, *reported)


def source_notes(sources: tuple[Source, ...]) -> tuple[str, ...]:
    """Return what has to be known of metrics on these data sets, a sentence or two each."""
    notes = []
    if any(source.rule.kind == "hashed" and source.rule.by == "patch" for source in sources):
        notes.append(RANDOM_SPLIT_NOTE)
    if any(source.dataset.is_synthetic for source in sources):
        notes.append(SYNTHETIC_NOTE)
    return tuple(notes)


def _knows_another_split(bundle: Bundle, source: Source) -> bool:
    known = bundle.card.training.get("data", ())
    same = [data for data in known if data["fingerprint"] == source.dataset.fingerprint()]
    return any(SplitRule.from_json(data["split"]) != source.rule for data in same)
