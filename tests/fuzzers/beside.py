"""Damaged files beside a data set: decisions, tags, check, map, neighbours, label issues, split, preflights."""

import json
from pathlib import Path
from typing import TypeVar

import numpy as np

from core.bundle import Bundle, load_bundle
from core.data import Dataset, assign, choose_rule, make_pack, open_dataset, pack_folder
from core.data.decisions import Decision, decide, decisions_of
from core.data.pack import remove_pack
from core.data.quality import findings, findings_csv, load_check, make_check
from core.data.split_file import apply_split, load_split, make_split_file, save_split
from core.data.tags import change_tag, tags_of
from core.errors import NodescopeError
from core.features.embedding import Embedding, load_embedding, points_csv, save_embedding
from core.features.label_errors import LabelIssues, load_label_issues, save_label_issues
from core.features.neighbours import Index, load_index, save_index
from core.job import JobStatus
from core.training.preflight.cost import Estimate
from core.training.preflight.job import Preflight
from tests.fuzzers.damage import Random, damage_file
from tests.fuzzers.home import RUN

KEY = "probe-0"
T = TypeVar("T")


def place(home: Path) -> Path:
    """Return the folder that is damaged: all files of these kinds in one, as small as they can be."""
    source = str(home.parent / "patches")
    remove_pack(source)
    dataset = open_dataset(source, raw=True)
    make_pack(dataset)
    folder, bundle, random = pack_folder(source), _bundle(folder_home=home), np.random.default_rng(0)
    ids, rows = dataset.table["id"].tolist(), np.arange(len(dataset))
    decide(source, {ids[0]: Decision("fine", reason="seen"), ids[1]: Decision("exclude", reason="blurred")})
    change_tag(source, ids[:3], "odd", on=True)
    make_check(source)
    rule = choose_rule(dataset)
    save_split(make_split_file(dataset, rule, assign(dataset, rule)), folder / "saved-split.json")
    points = random.normal(size=(len(rows), 4)).astype(np.float32)
    save_embedding(Embedding(tuple(ids), points, np.full(4, 0.25), None, len(rows), "features"), dataset, bundle)
    save_index(Index("late", rows, points / np.linalg.norm(points, axis=1)[:, None], "all patches"), dataset, bundle)
    labelled = np.flatnonzero(dataset.table["label"].notna())
    labels, chances = dataset.labels(labelled), random.random(len(labelled))
    names = tuple(ids[at] for at in labelled)
    issues = LabelIssues(names, labels, chances, labelled % 5, "features", dataset.fingerprint())
    save_label_issues(issues, dataset, KEY)
    cost = Estimate(0.1, 10.0, 100.0, 10**9, None, 10**6, 100, 6400, 640, 12, "CPU")
    rates = {"rates": np.geomspace(1e-6, 1, 60).tolist(), "losses": np.linspace(0.7, 0.4, 60).tolist()}
    for job, result in ((Preflight(folder / "cost"), vars(cost)), (Preflight(folder / "rate", "rate"), rates)):
        job.path.mkdir()
        job.write(JobStatus(state="finished"))
        (job.path / "result.json").write_text(json.dumps(result))
    return folder


def damaged(rng: Random, source: Path, destination: Path) -> str:
    """Put all small files back and damage one that is no pack."""
    for path in sorted(source.rglob("*")):
        target = destination / path.relative_to(source)
        if path.is_file() and path.stat().st_size < 1_000_000:
            if target.is_dir():
                target.rmdir()
            target.write_bytes(path.read_bytes())
    files = [path for path in sorted(destination.rglob("*")) if path.is_file() and not _is_of_the_pack(path)]
    path = files[rng.integers(len(files))]
    return f"{path.relative_to(destination)}: {damage_file(rng, path)}"


def attempt(path: Path) -> str:
    """Do with each file what pages and commands do, and return what came of it."""
    home = path.parents[1]
    dataset, bundle = open_dataset(str(home.parent / "patches"), decisions="none"), _bundle(folder_home=home)
    tries = (
        lambda: open_dataset(dataset.source).table.to_csv() + str(decisions_of(dataset.source)),
        lambda: str(tags_of(dataset.source)),
        lambda: _checked(dataset),
        lambda: str(apply_split(load_split(path / "saved-split.json"), dataset)),
        lambda: points_csv(_there(load_embedding(dataset, bundle)), dataset),
        lambda: str(_there(load_index(dataset, bundle)).nearest(np.ones(4, np.float32) / 2)),
        lambda: _there(load_label_issues(dataset, KEY)).to_csv(),
        lambda: _there(Preflight(path / "cost").cost(5)).sentence(),
        lambda: str(_there(Preflight(path / "rate", "rate").rate())),
    )
    said = []
    for each in tries:
        try:
            said.append(each())
        except NodescopeError:
            said.append("refused")
    return "refused" if "refused" in said else "\n".join(said)


def _checked(dataset: Dataset) -> str:
    check = _there(load_check(dataset))
    rule = choose_rule(dataset)
    return findings_csv(findings(check, dataset, assign(dataset, rule)), dataset) + str(check.notes_by_kind(dataset))


def _there(found: T | None) -> T:
    """Return what was found; nothing is made anew, which is as good as a refusal."""
    if found is None:
        raise NodescopeError("none")
    return found


def _bundle(*, folder_home: Path) -> Bundle:
    return load_bundle(folder_home / "runs" / RUN / "bundle.safetensors")


def _is_of_the_pack(path: Path) -> bool:
    return path.name.startswith(("patches-", "journal-", "about.", "table.", ".")) or path.suffix == ".lock"
