"""Predictions for found files: decode, predict, and go on past what cannot be read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import PatchError
from core.prediction.doubts import Doubts, examine
from core.prediction.images import decode_patch
from core.prediction.inputs import Limits, PatchFile, Problem
from core.prediction.predictor import Predictor

CHUNK = 128
"""Decoded patches that are held in memory at a time."""


@dataclass(frozen=True)
class ScoredFile:
    """One file and what the bundle says of it.

    Attributes:
        id: the file's id, unique in its batch.
        name: the file's name for people.
        logit: before calibration.
        probability: calibrated probability of tumour in the centre.
        notes: what was done to the image before, a sentence each.
        doubts: whether the patch is of the known kind; None where that was not asked.
    """

    id: str
    name: str
    logit: float
    probability: float
    notes: tuple[str, ...]
    doubts: Doubts | None = None


@dataclass(frozen=True)
class ScoredBatch:
    """The files that could be scored, in their order, and the others with the reason."""

    files: list[ScoredFile]
    problems: list[Problem]


def score_files(
    predictor: Predictor,
    files: Sequence[PatchFile],
    *,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    with_doubts: bool = False,
    progress: Callable[[float], None] | None = None,
) -> ScoredBatch:
    """Decode and score `files`.

    Args:
        predictor: the bundle on its device.
        files: what :func:`core.prediction.inputs.find_patches` found.
        limits: how many pixels an image may have.
        with_doubts: examine each patch too, which costs about a second pass of the network.
        progress: told the finished share; what it raises ends the work, which is the way to cancel.
    """
    scored: list[ScoredFile] = []
    problems: list[Problem] = []
    for start in range(0, len(files), CHUNK):
        readable, pixels, notes = [], [], []
        for file in files[start : start + CHUNK]:
            try:
                decoded = decode_patch(file.read(), name=file.name, max_pixels=limits.max_pixels)
            except PatchError as error:
                problems.append(Problem.from_error(file.name, error))
                continue
            readable.append(file)
            pixels.append(decoded.pixels)
            notes.append(decoded.notes)
        if readable:
            predictions = predictor.predict(np.stack(pixels))
            doubts: list[Doubts | None] = [None] * len(pixels)
            if with_doubts:
                doubts = list(examine(predictor, np.stack(pixels)))
            scored += [
                ScoredFile(file.id, file.name, float(logit), float(probability), note, doubt)
                for file, logit, probability, note, doubt in zip(
                    readable, predictions.logits, predictions.probabilities, notes, doubts, strict=True
                )
            ]
        if progress is not None:
            progress(min(1.0, (start + CHUNK) / len(files)))
    return ScoredBatch(scored, problems)
