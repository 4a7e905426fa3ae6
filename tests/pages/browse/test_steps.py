"""Previous and Next: where they lead, and what the browser is told."""

from typing import Any

import pytest
import streamlit as st

from pages._ui.steps import steps


def test_the_place_that_is_sent_is_gone_to_and_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[dict[str, Any]] = []
    went: list[int] = []
    monkeypatch.setattr("pages._ui.steps.component._draw", lambda **given: drawn.append(given))
    monkeypatch.setattr(st, "session_state", {})

    steps(key="turn", at=2, count=5, on_step=went.append, keys=False)
    drawn[0]["on_moved_change"]()  # the page is being left, and what was sent is forgotten
    for number, to in enumerate((3, 0, 9), start=7):  # 9 where a filter has left fewer meanwhile
        st.session_state["turn"] = {"moved": {"number": number, "start": 2, "to": to}}
        drawn[0]["on_moved_change"]()
    steps(key="turn", at=4, count=5, on_step=went.append)

    assert went == [3, 0, 4]
    assert [each["data"] for each in drawn] == [
        {"at": 2, "count": 5, "keys": False, "seen": 0}, {"at": 4, "count": 5, "keys": True, "seen": 9}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("start", "to", "now", "expected"),
    [(8, 9, 8, 9), (8, 11, 9, 11), (8, 9, 2, 3), (8, 6, 2, 0), (8, 7, 19, 18)],
    ids=["as shown", "one of three is gone already", "3 was typed", "3 was typed and two back", "20 was typed"],
)
def test_steps_count_from_what_was_typed(
    start: int, to: int, now: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[dict[str, Any]] = []
    went: list[int] = []
    monkeypatch.setattr("pages._ui.steps.component._draw", lambda **given: drawn.append(given))
    monkeypatch.setattr(st, "session_state", {"turn": {"moved": {"number": 1, "start": start, "to": to}}})
    steps(key="turn", at=start, count=20, on_step=went.append, now=lambda: now)

    drawn[0]["on_moved_change"]()

    assert went == [expected]
