import numpy as np
import pytest

from core.errors import EvaluationError
from core.evaluation import at_threshold, evaluate


def sample(seed: int = 0, n: int = 600, slides: int = 15) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.4
    probabilities = np.clip(rng.normal(0.35 + 0.3 * labels, 0.2), 0, 1)
    return labels, probabilities, rng.integers(slides, size=n)


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.61, 1.0])
def test_moving_an_evaluation_by_slide_gives_what_evaluating_again_gives(threshold: float) -> None:
    labels, probabilities, slides = sample()
    start = evaluate(labels, probabilities, threshold=0.5, groups=slides, seed=4)
    moved = at_threshold(start, labels, probabilities, threshold=threshold, groups=slides, seed=4)
    assert moved.to_json() == evaluate(labels, probabilities, threshold=threshold, groups=slides, seed=4).to_json()


def test_slides_cannot_be_taken_up_or_dropped_on_the_way() -> None:
    labels, probabilities, slides = sample()
    by_patch = evaluate(labels, probabilities)
    by_slide = evaluate(labels, probabilities, groups=slides)
    with pytest.raises(EvaluationError, match="Evaluate again"):
        at_threshold(by_patch, labels, probabilities, threshold=0.2, groups=slides)
    with pytest.raises(EvaluationError, match="Evaluate again"):
        at_threshold(by_slide, labels, probabilities, threshold=0.2)
