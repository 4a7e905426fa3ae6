"""Saved views: kept under their names, and a damaged file is named."""

import pytest

from core.errors import DataError
from pages._ui.browse import views

pytestmark = pytest.mark.usefixtures("fresh_home")


def test_a_view_is_saved_replaced_and_deleted() -> None:
    assert views.views() == {}
    views.change("wrong ones", {"verdict": ("wrong",), "range": ("loss:1:2", "contrast:0:1")})
    views.change("page two", {"page": ("2",)})
    views.change("page two", {"page": ("3",)})
    views.change("wrong ones", None)
    assert views.views() == {"page two": {"page": ("3",)}}


@pytest.mark.parametrize(
    "text", ["", "[]", "5", '{"a": 1}', '{"a": {"page": "2"}}', '{"a": {"page": [2]}}', "[" * 9_999]
)
def test_a_damaged_file_is_named(text: str) -> None:
    views.path().parent.mkdir(parents=True)
    views.path().write_text(text)
    with pytest.raises(DataError, match=r"views\.json cannot be read"):
        views.views()
