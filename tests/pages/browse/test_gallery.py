"""What the grid of patches tells the browser, and what it does with its answers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import streamlit as st

from pages._ui import query_params
from pages._ui.browse import basket
from pages._ui.gallery import Tile, encoded, gallery


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the component is given."""
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr("pages._ui.gallery.component._draw", lambda **given: calls.append(given))
    monkeypatch.setattr(st, "session_state", {})
    return calls


TILES = [Tile(id="a", label=1, lines=["a", "tumour"], badge="93%"), Tile(id="b", label=-1, lines=["b"])]


def test_the_browser_gets_one_picture_and_a_word_for_each_label(drawn: list[dict[str, Any]]) -> None:
    gallery(
        encoded(np.zeros((2, 96, 96, 3), np.uint8)), TILES, name="Both", key="grid", size=72, on_open=lambda _: None
    )

    data = drawn[0]["data"]
    assert data["sheet"].startswith("data:image/jpeg;base64,")
    assert [(each["id"], each["label"], each["badge"]) for each in data["patches"]] == [
        ("a", "tumour", "93%"),
        ("b", "", ""),
    ]
    assert not data["selectable"]


def test_what_was_opened_and_selected_arrives_and_is_acknowledged(drawn: list[dict[str, Any]]) -> None:
    opened: list[str] = []
    changes: list[Mapping[str, bool]] = []
    sheet = encoded(np.zeros((2, 96, 96, 3), np.uint8))
    gallery(sheet, TILES, name="Both", key="grid", size=72, on_open=opened.append, on_select=changes.append)

    st.session_state["grid"] = {"opened": "b", "selected": {"number": 7, "changes": {"a": True, "b": False}}}
    drawn[0]["on_opened_change"]()
    drawn[0]["on_selected_change"]()
    gallery(sheet, TILES, name="Both", key="grid", size=72, on_open=opened.append, on_select=changes.append)

    assert opened == ["b"]
    assert changes == [{"a": True, "b": False}]
    assert [each["data"]["seen"] for each in drawn] == [0, 7]


def test_a_selection_changes_without_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {})
    basket.add("demo", ["a", "b"])
    basket.change("demo", {"b": False, "c": True, "a": True, "x": False})
    basket.change("demo", {"c": True})
    assert basket.ids("demo") == ["a", "c"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [({"rows": "4", "columns": "10"}, 40), ({"rows": "4"}, 60), ({"rows": "99", "columns": "99"}, 900),
     ({"rows": "inf"}, 90), ({}, None)],
)  # fmt: skip
def test_an_old_link_with_rows_and_columns_shows_as_many_patches(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], expected: int | None
) -> None:
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(st, "query_params", given)
    query_params.clean()
    assert st.session_state.get("per_grid") == expected
