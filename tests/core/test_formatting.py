"""A probability in percent."""

import pytest

from core.formatting import percent


@pytest.mark.parametrize(
    ("probability", "one", "none"),
    [
        (0.996, "99.6%", ">99%"),
        (0.9996, ">99.9%", ">99%"),
        (1.0, ">99.9%", ">99%"),
        (0.9994, "99.9%", ">99%"),
        (0.994, "99.4%", "99%"),
        (0.287, "28.7%", "29%"),
        (0.5, "50.0%", "50%"),
        (0.006, "0.6%", "1%"),
        (0.004, "0.4%", "<1%"),
        (0.0004, "<0.1%", "<1%"),
        (0.0, "<0.1%", "<1%"),
    ],
)
def test_a_model_never_seems_certain(probability: float, one: str, none: str) -> None:
    assert percent(probability) == one
    assert percent(probability, digits=0) == none
