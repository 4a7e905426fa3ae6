"""The house keeps its shape: who may import whom, how long a file is, what is public and described."""

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import core
import models

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 350
FILES = sorted(path for room in ("core", "models", "pages") for path in (ROOT / room).rglob("*.py"))
MODULES = sorted(
    ["core", "models"]
    + [
        each.name
        for package in (core, models)
        for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if not each.name.endswith("__main__")
    ]
)


def _imported(path: Path) -> set[str]:
    """Return the full names of all modules that a file imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            found |= {str(node.module)} | {f"{node.module}.{name.name}" for name in node.names}
    return found


def _importing(room: str, *forbidden: str) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for name in _imported(path)
        if any(name == each or name.startswith(f"{each}.") for each in forbidden)
    ]


def test_the_search_for_imports_finds_imports() -> None:
    assert _importing("pages", "streamlit")
    assert _importing("core", "models")


@pytest.mark.parametrize(
    ("room", "forbidden"),
    [
        ("core", ("streamlit", "pages", "streamlit_app")),
        ("models", ("streamlit", "pages", "core")),
        ("core/evaluation", ("torch", "models", "core.training", "core.prediction", "core.data")),
        ("core/data", ("torch", "core.training", "core.prediction", "core.commands")),
        ("core/prediction", ("core.training", "core.commands")),
        ("core/display", ("torch", "core.training", "core.prediction")),
    ],
)
def test_dependencies_point_one_way(room: str, forbidden: tuple[str, ...]) -> None:
    assert _importing(room, *forbidden) == []


def test_pages_do_not_decode_train_or_differentiate_themselves() -> None:
    assert _importing("pages", "PIL", "h5py", "captum", "sklearn") == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_long(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST


def test_there_is_no_drawer_for_everything() -> None:
    names = {path.stem for path in FILES}

    assert names.isdisjoint({"utils", "util", "helpers", "helper", "misc", "common"})


@pytest.mark.parametrize("name", MODULES)
def test_every_exported_name_is_there_once(name: str) -> None:
    module = importlib.import_module(name)
    exported = getattr(module, "__all__", [])

    assert len(set(exported)) == len(exported)
    assert [each for each in exported if not hasattr(module, each)] == []


def _undescribed(module: ModuleType) -> list[str]:
    """Return the public classes, functions and methods of a module without a docstring of their own."""
    missing = [] if (module.__doc__ or "").strip() else [module.__name__]
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        described = (value.__doc__ or "").strip()
        if (inspect.isfunction(value) or inspect.isclass(value)) and (
            not described or described.startswith(f"{name}(")
        ):
            missing.append(f"{module.__name__}.{name}")  # a dataclass without one gets its signature
        if inspect.isclass(value):
            missing += [
                f"{module.__name__}.{name}.{each}"
                for each, member in vars(value).items()
                if not each.startswith("_")
                and (inspect.isfunction(member) or isinstance(member, (property, classmethod, staticmethod)))
                and not (getattr(member, "__doc__", None) or "").strip()
            ]
    return missing


@pytest.mark.parametrize("name", MODULES)
def test_everything_public_is_described(name: str) -> None:
    assert _undescribed(importlib.import_module(name)) == []


@pytest.mark.parametrize("page", sorted((ROOT / "pages").glob("[a-z]*.py")), ids=lambda page: page.stem)
def test_every_page_is_drawn_in_its_frame_whatever_address_comes_first(page: Path) -> None:
    assert page.read_text("utf-8").rstrip().endswith("\nlayout.show(main)")
