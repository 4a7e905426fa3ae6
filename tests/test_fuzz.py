"""A small, seeded portion of the fuzzer; ``python -m tests.fuzz KIND`` runs more."""

from pathlib import Path

import pytest

from core.storage.home import HOME_VARIABLE
from tests.fuzz import KINDS, fuzz


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_refused_in_a_sentence_or_change_nothing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))  # and put back afterwards
    counts, findings = fuzz(kind, files=150, seed=0, folder=tmp_path)
    assert findings == []
    assert counts["refused"] > 0
    assert sum(counts.values()) == 150
