"""Asking more of a study than it was made with: more trials of a search, more seeds of a learning curve."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from core.errors import RunError
from core.storage import atomic
from core.storage.home import runs_home
from core.storage.lock import action_lock
from core.studies.study import KIND_NAMES, Study, check_free


@contextmanager
def extending(study: Study) -> Iterator[dict[str, Any]]:
    """Yield ``study.json`` to be changed, and write it; nobody starts or deletes anything meanwhile.

    The names of its runs are only added to, because those that are there keep theirs.

    Raises:
        RunError: a process works on the study, or a name that a new run would have is taken.
    """
    with action_lock():
        if study.status().is_active:
            raise RunError(
                f"The {KIND_NAMES[study.kind]} {study.name} is being worked on. Let it finish or stop it, then ask for "
                "more."
            )
        about = study.about()
        before = set(about["runs"])
        yield about
        check_free(runs_home() / name for name in about["runs"] if name not in before)
        atomic.write_json(study.path / "study.json", about)
