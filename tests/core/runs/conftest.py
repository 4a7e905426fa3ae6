"""A run that was just made."""

from pathlib import Path

import pytest

from core.runs import (
    TrainingConfig,
    create_run,
)
from core.runs.run import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return create_run(TrainingConfig(epochs=3), tmp_path / "run")
