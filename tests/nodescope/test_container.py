"""The container's files: what they name is there, and the compose file says what docs/SERVER.md says."""

import re
from pathlib import Path

import yaml

from core.storage.home import HOME_VARIABLE
from core.storage.roots import ROOTS_VARIABLE

ROOT = Path(__file__).resolve().parents[2]


def test_what_the_image_is_built_of_is_there_and_not_ignored() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")]
    packed = re.search(r"only-include = \[(.*)\]", (ROOT / "pyproject.toml").read_text("utf-8"))

    assert packed is not None
    assert set(re.findall('"(.*?)"', packed[1])) <= set(kept)
    assert {"pyproject.toml", "requirements.txt", "constraints.txt", "README.md", "LICENSE"} <= set(kept)
    assert all((ROOT / name).exists() for name in kept)


def test_the_image_runs_as_nobody_of_importance_and_keeps_what_is_made_in_its_volume() -> None:
    lines = (ROOT / "Dockerfile").read_text("utf-8")
    volumes = yaml.safe_load((ROOT / "compose.yml").read_text("utf-8"))["services"]["nodescope"]["volumes"]

    assert lines.index("USER 1000") < lines.index("CMD [")
    assert re.search(rf"{HOME_VARIABLE}=(\S+)", lines)[1] == "/var/lib/nodescope" == volumes[0].partition(":")[2]  # type: ignore[index]
    assert re.search(rf"{ROOTS_VARIABLE}=(\S+)", lines)[1] == "/data" == volumes[1].split(":")[-2]  # type: ignore[index]
    assert volumes[1].endswith(":ro")


def test_it_listens_to_others_only_through_a_proxy() -> None:
    service = yaml.safe_load((ROOT / "compose.yml").read_text("utf-8"))["services"]["nodescope"]

    assert all(each.startswith("127.0.0.1:") for each in service["ports"])
    assert "localhost" in service["environment"]["STREAMLIT_SERVER_ALLOWED_HOSTS"].split()
