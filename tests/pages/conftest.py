"""The app without a browser."""

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.data import Dataset

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The app from its entry point, with empty caches; `app.run()` shows Browse."""
    monkeypatch.chdir(ROOT)
    st.cache_data.clear()
    st.cache_resource.clear()
    return AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)


@pytest.fixture
def quiet_demo(fresh_home: Path, small_demo: Dataset, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and the small demo set on every page."""
    monkeypatch.setattr("pages._ui.cache.open_dataset", lambda *_, **__: small_demo)
    return fresh_home
