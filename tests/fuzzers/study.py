"""Damaged studies: lists, show, and their results."""

from pathlib import Path

from core.errors import NodescopeError
from core.studies.cross_validation import folds_result, out_of_fold
from core.studies.learning_curve import curve_result
from core.studies.progress import progress_of
from core.studies.search import search_result
from core.studies.study import list_studies, open_study
from tests.fuzzers.damage import Random, copy_with_damage
from tests.fuzzers.home import run_commands

NAMES = {"two-folds": folds_result, "few-patches": curve_result, "two-trials": search_result}


def place(home: Path) -> Path:
    """Return the folder that is damaged: all studies, so that one never hides another."""
    return home / "studies"


def damaged(rng: Random, source: Path, destination: Path) -> str:
    """Copy the studies and damage a file of one."""
    return copy_with_damage(rng, source, destination)


def attempt(path: Path) -> str:
    """Do what pages and commands do, and return what they said."""
    text, well = run_commands(["studies", "list"], *(["studies", "show", name] for name in NAMES))
    refused = not well
    for name, result in NAMES.items():
        try:
            study = open_study(name)
            text += str((study.kind, study.status(), progress_of(study), result(study)))
            if name == "two-folds":
                text += out_of_fold(study).to_csv()
        except NodescopeError:
            refused = True
    text += str([study.name for study in list_studies()])
    return "refused" if refused else text
