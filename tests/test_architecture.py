"""The house keeps its shape: who may import whom, how long a file is, what is public and described."""

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Collection
from pathlib import Path
from types import ModuleType

import pytest

import core
import models
import nodescope

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 350
FILES = sorted(path for room in ("core", "models", "pages", "nodescope") for path in (ROOT / room).rglob("*.py"))
MODULES = sorted(
    ["core", "models", "nodescope"]
    + [
        each.name
        for package in (core, models, nodescope)
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


ROOMS = (
    "models", "core.errors", "core.formatting", "core.d4", "core.device", "core.memory", "core.progress",
    "core.storage", "core.stain", "core.evaluation", "core.process", "core.work_folder", "core.job", "core.cluster",
    "core.images", "core.data", "core.display", "core.bundle", "core.attribution", "core.runs", "core.prediction",
    "core.scoring", "core.features", "core.slides", "core.training", "core.studies", "core.reports", "core.commands",
    "pages", "nodescope",
)  # fmt: skip
"""From the ground up: a room may import those before it, see docs/ARCHITECTURE.md."""


def _room(name: str) -> str | None:
    return next((room for room in ROOMS if name == room or name.startswith(f"{room}.")), None)


def _upwards(name: str, path: Path) -> list[str]:
    """Return the imports of a module that lead to a room above its own."""
    own = _room(name)
    if own is None:
        return []
    rooms = {each: _room(each) for each in _imported(path)}
    return [f"{name} imports {each}" for each, room in rooms.items() if room and ROOMS.index(room) > ROOMS.index(own)]


def _circle(imports: dict[str, set[str]]) -> list[str]:
    """Return modules that import each other in a circle, or lie between two circles; none if there is no circle."""
    left = dict(imports)
    while outside := [
        name for name in left if not left[name] & left.keys() or not any(name in left[each] for each in left)
    ]:
        for name in outside:
            del left[name]
    return sorted(left)


def _imported_modules(path: Path, modules: Collection[str]) -> set[str]:
    """Return those of `modules` that a file imports: the module where it names one, else the package it names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            full = {f"{node.module}.{name.name}" for name in node.names}
            found |= {each if each in modules else str(node.module) for each in full}
    return (found & set(modules)) - {_module(path)}


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_the_search_for_imports_finds_imports() -> None:
    assert _importing("pages", "streamlit")
    assert _importing("core", "models")


def test_every_room_has_its_place_in_the_order() -> None:
    rooms = {".".join(_module(path).split(".")[:2]) for path in FILES if path.parts[len(ROOT.parts)] == "core"}

    assert rooms - set(ROOMS) == {"core", "core.__main__"}


def test_dependencies_point_down_from_room_to_room() -> None:
    assert [each for path in FILES for each in _upwards(_module(path), path)] == []
    assert _upwards("core.commands.train", ROOT / "core" / "data" / "open.py") == []
    assert _upwards("core.errors", ROOT / "core" / "data" / "open.py") != []


def test_no_modules_import_each_other_in_a_circle() -> None:
    modules = {_module(path): path for path in FILES}

    assert _circle({name: _imported_modules(path, modules) for name, path in modules.items()}) == []
    assert _circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["b", "c"]


@pytest.mark.parametrize(
    ("room", "forbidden"),
    [
        ("core", ("streamlit", "pages", "streamlit_app")),
        ("nodescope", ("streamlit", "pages", "streamlit_app")),
        ("models", ("streamlit", "pages", "core")),
        ("core/evaluation", ("torch",)),
        ("core/data", ("torch",)),
        ("core/display", ("torch",)),
        ("pages", ("core.commands",)),
    ],
)
def test_what_a_room_does_without(room: str, forbidden: tuple[str, ...]) -> None:
    assert _importing(room, *forbidden) == []


NOT_PORTABLE = {
    "fcntl", "resource", "pwd", "grp", "msvcrt", "winreg", "posix", "start_new_session", "preexec_fn", "creationflags",
    "SIGKILL", "SIGALRM", "SIGHUP", "SIGUSR1", "SIGUSR2", "alarm", "mkfifo", "disk_usage", "st_blocks",
    *(f"os.{name}" for name in ("fsync", "fdatasync", "replace", "rename", "renames", "link", "symlink", "kill",
      "killpg", "fork", "forkpty", "getpgid", "getpgrp", "getsid", "setsid", "setpgrp", "getuid", "geteuid", "getgid",
      "getppid", "chown", "umask", "nice", "uname", "statvfs", "sysconf", "getloadavg", "posix_fallocate", "startfile",
      "sched_getaffinity", "cpu_count", "O_DIRECTORY", "O_NONBLOCK", "O_BINARY", "O_NOFOLLOW", "wait", "waitpid")),
}  # fmt: skip
"""What Linux, macOS and Windows have differently or not at all."""


def _names_used(path: Path) -> set[str]:
    """Return the modules, attributes (of os with their module) and named arguments that a file uses."""
    found = {name.partition(".")[0] for name in _imported(path)}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute):
            found |= {f"os.{node.attr}" if isinstance(node.value, ast.Name) and node.value.id == "os" else node.attr}
        elif isinstance(node, ast.keyword):
            found.add(str(node.arg))
        elif isinstance(node, ast.Dict):
            found |= {str(key.value) for key in node.keys if isinstance(key, ast.Constant)}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_systems_have_differently_stands_in_one_module(path: Path) -> None:
    used = _names_used(path) & NOT_PORTABLE

    assert used == set() or path.name == "portable.py"
    assert path.name != "portable.py" or {"os.fsync", "os.killpg", "SIGKILL", "start_new_session"} <= used


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


def test_the_tests_that_the_table_of_bad_input_names_are_there() -> None:
    named = re.findall(r"`([a-z_/]+\.py)`", (ROOT / "docs" / "BAD_INPUT.md").read_text("utf-8"))

    assert len(set(named)) > 20
    assert [name for name in named if not (ROOT / "tests" / name).is_file()] == []
