"""Pieces that several pages draw."""

from typing import Any

import pandas as pd
import pytest

from pages._ui import widgets


@pytest.mark.parametrize(("rows", "is_formatted"), [(2, True), (30_000, False)])
def test_texts_of_a_table_are_formatted_while_it_is_small(
    rows: int, is_formatted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    def dataframe(table: Any, **_: Any) -> dict[str, Any]:
        given.append(table)
        return {"selection": {"cells": [(rows - 1, "c0")]}}

    monkeypatch.setattr(widgets.st, "dataframe", dataframe)
    table = pd.DataFrame({f"c{number}": ["a_b"] * rows for number in range(14)})  # pandas formats 18,724 rows of it

    assert widgets.clicked_row(table, key="table", texts={"c0": str.upper}) == rows - 1

    assert isinstance(given[0], pd.io.formats.style.Styler) == is_formatted
    if is_formatted:
        assert "A_B" in given[0].to_html()
