"""``python -m core split``: divide a data set, see how it divides, and save the split."""

from pathlib import Path

import click
import pandas as pd

from core.commands import options
from core.commands.output import print_json, progress_line
from core.data import assign, choose_rule, open_dataset
from core.data.split_file import SplitFile, make_split_file, parts_csv, save_split
from core.data.split_rule import CHOICES, TEST, VALID
from core.data.split_summary import SplitSummary, summarise
from core.storage import atomic


@options.command("split")
@options.data()
@options.option(
    "--split",
    "rule",
    aliases=["--by"],
    type=click.Choice(CHOICES),
    default="default",
    help="patch: at random; slide, patient: whole slides, whole patients; centre: one centre is left out; stratified: "
    "at random with exact shares of each class; colour: whole clusters of colour are held out; official: as the data "
    "set says; default: official where there is one, else by patient or slide where they are known, else by patch.",
)
@options.option(
    "--split-seed",
    "seed",
    aliases=["--seed"],
    type=int,
    default=0,
    metavar="N",
    help="Seed of the split; another one draws another split.",
)
@options.option(
    "--validation",
    "valid",
    aliases=["--valid"],
    type=float,
    default=VALID,
    metavar="SHARE",
    help="Share of the validation split.",
)
@options.option("--test", type=float, default=TEST, metavar="SHARE", help="Share of the test split.")
@options.option("--folds", type=int, default=0, metavar="K", help="Make K folds, one of which is the test split.")
@options.option("--fold", type=int, default=0, metavar="I", help="Which fold (or centre) is the test split, from 0 on.")
@options.out("Save the split for `python -m core train --split FILE`.", metavar="FILE.json")
@options.option("--csv", type=options.PATH, metavar="FILE", help="Write id and split of every labelled patch.")
@options.as_json
def command(
    data: str,
    rule: str,
    seed: int,
    valid: float,
    test: float,
    folds: int,
    fold: int,
    out: Path | None,
    csv: Path | None,
    as_json: bool,
) -> int:
    """Divide the labelled patches into training, validation and test split.

    The command prints how classes, slides and colours divide, and saves the split as a small file.
    """
    for path in (out, csv):
        options.check_folder(path)
    dataset = open_dataset(data, progress=progress_line("Generating the demo set"))
    chosen = choose_rule(
        dataset,
        rule,
        seed=seed,
        valid=valid,
        test=test,
        folds=folds,
        fold=fold,
        progress=progress_line("Measuring colours"),
    )
    splits = assign(dataset, chosen)
    split = make_split_file(dataset, chosen, splits)
    if out is not None:
        save_split(split, out)
    if csv is not None:
        atomic.write_text(csv, parts_csv(dataset, splits))
    if as_json:
        print_json(split.to_json())
    else:
        print(describe(split, summarise(dataset, chosen, splits, progress=progress_line("Measuring colours"))))
        print("".join(f"Saved in {path}.\n" for path in (out, csv) if path is not None), end="")
    return 0


def describe(split: SplitFile, summary: SplitSummary) -> str:
    """Return the split in plain lines."""
    table = summary.table.reset_index().rename(columns={"tumour_share": "tumour share"})
    table["tumour share"] = table["tumour share"].map("{:.1%}".format)
    for name, form in (("brightness", "{:.0f}"), ("haematoxylin", "{:.3f}"), ("eosin", "{:.3f}")):
        table[name] = ["–" if pd.isna(mean) else form.format(mean) for mean in table[name]]  # of an empty split
    table["slides"] = ["unknown" if pd.isna(count) else f"{int(count):,}" for count in table["slides"]]
    lines = [
        f"{split.name} [{split.fingerprint}]: {split.rule.describe()}",
        table.to_string(index=False),
        f"Colours are means over {len(summary.colours):,} patches (densities of the stains).",
    ]
    if summary.duplicates:
        lines.append(f"{summary.duplicates:,} pairs of (nearly) the same patch lie in different splits; see `check`.")
    return "\n".join([*lines, summary.caution, f"SHA-256 of ids and splits: {split.digest}"])
