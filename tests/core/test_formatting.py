"""Probabilities, times and sizes as people read them."""

import pytest

from core.formatting import duration, file_size, percent


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


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1 s"), (89.4, "89 s"), (90, "2 min"), (740, "12 min"), (5399, "90 min"), (5400, "1.5 h"), (90_000, "25.0 h")],
)
def test_a_time_is_in_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "<1 MB"), (13_824_000, "14 MB"), (999_000_000, "999 MB"), (999_600_000, "1.0 GB"), (6_083_251_200, "6.1 GB")],
)
def test_a_size_is_in_mb_or_gb(size: int, text: str) -> None:
    assert file_size(size) == text
