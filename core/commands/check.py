"""``python -m core check``: what is wrong with the patches of a data set."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.commands import options
from core.commands.output import print_json, progress_line
from core.data import Dataset, assign, choose_rule, find_pack, open_dataset
from core.data.found import describe, part_of, remarks, sizes_of
from core.data.pack_blocks import verify_pack
from core.data.quality import FLAGS, Check, findings, findings_csv, load_check, make_check
from core.data.split_file import apply_split, load_split
from core.data.split_rule import CHOICES
from core.data.split_summary import divided_groups, leak_words
from core.storage import atomic

SHOWN = 3
"""How many ids are named for each finding."""


@options.command("check")
@options.data_or_argument
@options.option(
    "--split",
    default="default",
    metavar="RULE|FILE",
    help=f"Split whose leaks are looked for: {', '.join(CHOICES)}, or a file of `python -m core split`.",
)
@options.option("--look", is_flag=True, help="Only say what was recognised, without reading the patches.")
@options.option("--pack", "pack_only", is_flag=True, help="Only compare the whole pack with its checksums.")
@options.fresh
@options.out("Write one line for each patch as CSV.", aliases=["--csv"])
@options.as_json
@options.decisions
@options.job
def command(
    data: str,
    split: str,
    look: bool,
    pack_only: bool,
    fresh: bool,
    out: Path | None,
    as_json: bool,
    decisions: str | None,
    job: Path | None,
) -> int:
    """Examine every patch once and store what is wrong with it.

    It finds unreadable, black, blank and blurred patches, duplicates and near duplicates, duplicates whose labels
    differ, and duplicates in different splits (a leak). The exit status is 1 if patches leak or cannot be
    read.
    """
    if job is not None:
        return options.work_in_job(job, lambda report: make_check(data, progress=report))
    generating = progress_line("Generating the demo set")
    if look:
        dataset = open_dataset(data, progress=generating, decisions=decisions)
        sizes = {f"{width}×{height}": count for (width, height), count in sizes_of(dataset).items()}
        if as_json:
            print_json(
                {
                    "layout": dataset.kind,
                    "patches": len(dataset),
                    "found": describe(dataset),
                    "sizes": sizes,
                    "remarks": remarks(dataset),
                }
            )
        else:
            print(describe(dataset))
            print("".join(f"{count} of the pictures looked at: {size}\n" for size, count in sizes.items()), end="")
            print("".join(f"{each}\n" for each in (*remarks(dataset), part_of(data, dataset.source)) if each), end="")
        return 0
    # fresh: a check must also notice files that were rewritten in place, which a glance at the folder does not.
    dataset = open_dataset(data, progress=generating, fresh=True, decisions=decisions)
    verified = _verify(dataset)
    if pack_only:
        print_json({"pack": verified}) if as_json else print(verified)
        return 0
    check = None if fresh else load_check(dataset)
    if check is None:
        check = make_check(dataset.source, progress=progress_line("Checking", amount=len(dataset)))
    description, splits = _split(dataset, split)
    found = findings(check, dataset, splits)
    if out is not None:
        atomic.write_text(out, findings_csv(found, dataset))
    counts = {name: int(found[name].sum()) for name in FLAGS}
    notes = check.notes_by_kind(dataset)
    divided = divided_groups(dataset, splits)
    if as_json:
        # "left_out" is the key of earlier versions; scripts read it.
        excluded = [{"name": problem.name, "reason": problem.reason} for problem in dataset.problems]
        print_json(
            {
                "patches": len(dataset),
                "found": describe(dataset),
                "split": description,
                "flags": counts,
                "groups_in_several_splits": divided,
                "notes": [{"note": note, "patches": len(ids), "example": ids[0]} for note, ids in notes.items()],
                "left_out": excluded,
                "pack": verified,
            }
        )
    else:
        print(describe(dataset))
        print(verified)
        _print(dataset, found, counts, description)
        for group, names in divided.items():
            leak = "" if group == "centre" else ": a leak"
            print(f"{'groups:':<16}{len(names):>8,}  {leak_words(dataset, group, names)}{leak}")
        _print_reasons(dataset, check)
        for note, ids in notes.items():
            print(f"{'note:':<16}{len(ids):>8,}  {note} (such as {ids[0]})")
    return 1 if counts["leak"] or counts["unreadable"] else 0


def _verify(dataset: Dataset) -> str:
    """Return in a sentence what the comparison of the pack with its checksums came to; damage is raised."""
    pack = None if dataset.kind == "demo" else find_pack(dataset.base or dataset)
    if pack is None:
        return "pack: none"
    if verify_pack(pack, progress=progress_line("Verifying the pack", amount=pack.count)):
        return f"pack: all {pack.count:,} patches are as they were packed"
    return (
        "pack: cannot be verified, because an earlier version made it without checksums; to have them, delete it "
        "(python -m core pack --remove DIR) and pack again"
    )


def _split(dataset: Dataset, rule_or_file: str) -> tuple[str, npt.NDArray[np.str_]]:
    """Return a description of the split, and the split of every row."""
    if rule_or_file in CHOICES:
        rule = choose_rule(dataset, rule_or_file, progress=progress_line("Measuring colours"))
        return rule.describe(), assign(dataset, rule)
    split = load_split(Path(rule_or_file).expanduser())
    return split.rule.describe(), apply_split(split, dataset)


def _print_reasons(dataset: Dataset, check: Check) -> None:
    """Print why patches cannot be read, each reason once with its number and an example."""
    ids, reasons = set(dataset.table["id"]), dict[str, list[str]]()
    for position, why in check.unreadable.items():
        if check.ids[position] in ids:
            reasons.setdefault(why.partition(": ")[2], []).append(why.partition(": ")[0])
    for reason, names in reasons.items():
        print(f"{'':<16}{len(names):>8,}  unreadable: {reason} (such as {names[0]})")


def _print(dataset: Dataset, found: pd.DataFrame, counts: dict[str, int], split: str) -> None:
    print(f"{dataset.name}: {len(dataset):,} patches, {sum(each.patches or 0 for each in dataset.problems):,} excluded")
    for problem in dataset.problems[:SHOWN]:
        print(f"  {problem}")
    print(f"split: {split}")
    for name, description in FLAGS.items():
        ids = list(dataset.table["id"][found[name].to_numpy()])
        some = f"  ({', '.join(ids[:SHOWN])}{', …' if len(ids) > SHOWN else ''})" if ids else ""
        print(f"{name + ':':<16}{counts[name]:>8,}  {description}{some}")
