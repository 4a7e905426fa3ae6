"""``python -m core slide-evaluate``: compare what `slide` found with what people outlined."""

from pathlib import Path

import click

from core.commands import options
from core.commands.output import print_json
from core.slides.evaluation import SlideEvaluation, evaluate_slides


@options.command("slide-evaluate")
@click.argument("folder", type=options.PATH, metavar="DIR")
@options.option(
    "--annotations",
    type=options.PATH,
    metavar="DIR",
    required=True,
    help="Outlines of tumour, a file of each slide's name: GeoJSON (QuPath), XML (ASAP) or JSON (NCRF).",
)
@options.option("--normal", is_flag=True, help="Slides without outlines have no tumour; else they are left out.")
@options.as_json
def command(folder: Path, annotations: Path, normal: bool, as_json: bool) -> int:
    """Measure the slides that `slide --out DIR` left, against outlines.

    FROC as CAMELYON16 defines it, the AUC of slides by their highest probability, Dice and the error of the tumour
    area, and which slides are macro, micro, ITC or negative. Intervals are over slides.
    """
    found = evaluate_slides(folder.expanduser(), annotations.expanduser(), normal=normal)
    if as_json:
        print_json(found.to_json())
    else:
        _print(found)
    return 0


def _print(found: SlideEvaluation) -> None:
    told = found.to_json()
    print(f"{told['slides']} slides, {told['with_tumour']} with tumour, {told['lesions']} lesions that count")
    for name, estimate in (("FROC", found.curve.score), ("AUC of slides", found.auc)):
        print(f"  {name:<16} {estimate}")
    print("  sensitivity      " + ", ".join(f"{each} at {rate}" for rate, each in told["sensitivity_at"].items()))
    print(f"  Dice             {'undefined' if found.dice is None else format(found.dice, '.3f')}")
    for row in told["classes"]:
        print(f"  {row['true']:>8} called {row['called']:<8} {row['slides']}")
    for each in found.slides:
        print(
            f"  {each.name}: area {each.area_error_mm2:+.3f} mm², lesions missed {len(each.missed)}, "
            f"false foci {len(each.false)}"
        )
    if found.left_out:
        print(f"left out, because nobody outlined them: {', '.join(found.left_out)}")
