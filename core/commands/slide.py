"""``python -m core slide``: whole slides, from the file to a folder of results each."""

import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click

from core.bundle import load_bundle
from core.commands import options
from core.commands.output import print_json, progress_line
from core.errors import ConfigError, DataError, NodescopeError, Problem
from core.formatting import RESEARCH_ONLY, percent, printable
from core.prediction import Predictor
from core.progress import Progress, no_progress, within
from core.reports.slide import slide_report
from core.slides.analyse import Analysed, SlideJob, analyse, plan_slide
from core.slides.cohort import write_cohort
from core.slides.folders import mpp_given, slides_in
from core.slides.plan import STEPS
from core.slides.reader import Slide, given_mpp
from core.storage import atomic


@options.command("slide", epilog=RESEARCH_ONLY)
@click.argument("slides", nargs=-1, required=True, type=options.PATH, metavar="SLIDE...")
@options.out("Where a folder is made for each slide.", metavar="DIR", required=True)
@options.option(
    "--mpp", metavar="X|CSV",
    help="µm per pixel of the slides, or a table with the columns slide,mpp; goes before what the files say.",
)  # fmt: skip
@options.option(
    "--step", type=click.Choice([str(each) for each in STEPS]), default="32",
    help="A cell's side in pixels at 0.97 µm; 96 is faster, 8 finer (with nodescope-net).",
)  # fmt: skip
@options.option(
    "--threshold", type=float, metavar="P", help="Decision threshold, 0 to 1.", show_default="the bundle's for slides"
)
@options.fresh
@options.as_json
@options.bundle()
@options.device
@options.job
def command(
    slides: tuple[Path, ...],
    out: Path,
    mpp: str | None,
    step: str,
    threshold: float | None,
    fresh: bool,
    as_json: bool,
    bundle: Path | None,
    device: str,
    job: Path | None,
) -> int:
    """Predict whole slides: where is tumour, how much, how sure.

    DIR/NAME/ then holds map.npz, areas.geojson (for QuPath), foci.csv, summary.json, thumbnail.jpg and report.html,
    and DIR/slides.csv the measures of all slides.
    What was stopped or killed goes on with the same command.
    """
    slides = tuple(each for path in slides for each in (slides_in(path) if path.expanduser().is_dir() else [path]))
    if threshold is not None and not 0 <= threshold <= 1:
        raise ConfigError(f"--threshold must be 0 to 1, got {threshold:g}.")
    twice = [stem for stem, count in Counter(path.stem for path in slides).items() if count > 1]
    if twice:
        raise ConfigError(
            f"Two slides are called {printable(twice[0])}, and would share a folder; give them another --out each."
        )
    given = mpp_given(mpp)
    predictor = Predictor(load_bundle(bundle), device=device)

    def each(path: Path, progress: Progress) -> Analysed | None:
        return _one(
            path, out / path.stem, predictor, given_mpp(path.name, given), int(step), threshold, fresh, progress
        )

    if job is not None:  # a page started this: its queue shows how many slides are done
        return options.work_in_job(job, lambda report: _queue([path.expanduser() for path in slides], each, report))
    summaries, problems = [], []
    for path in slides:
        path = path.expanduser()
        try:
            done = each(path, no_progress)
        except NodescopeError as error:
            problems.append(Problem(printable(path.name), str(error)))
            print(f"failed: {path}: {error}", file=sys.stderr)
            continue
        if done is None:
            print(f"{printable(path.name)}: stopped; the same command goes on.", file=sys.stderr)
            problems.append(Problem(printable(path.name), "stopped"))
            continue
        summaries.append(done.summary)
        if not as_json:
            print(_line(done, out / path.stem))
        if not done.measures.tissue_mm2:
            problems.append(Problem(printable(path.name), done.summary["notes"][0]))
    if as_json:
        print_json(
            {"slides": summaries, "problems": [{"slide": each.name, "reason": each.reason} for each in problems]}
        )
    return 1 if problems else 0


def _queue(slides: list[Path], each: Callable[[Path, Progress], object], report: Progress) -> None:
    """Do one slide after the other; what fails says so in its own folder, and the others go on."""
    for number, path in enumerate(slides):
        report(number / len(slides))  # raises once somebody requested the end
        with suppress(NodescopeError):
            each(path, within(report, number / len(slides), (number + 1) / len(slides)))


def _one(
    path: Path,
    folder: Path,
    predictor: Predictor,
    mpp: float | None,
    step: int,
    threshold: float | None,
    fresh: bool,
    progress: Progress,
) -> Analysed | None:
    """Do one slide and return it; None if somebody requested the end."""
    done: list[Analysed] = []

    def work(report: Progress) -> None:
        with Slide(path) as slide:
            plan = plan_slide(path, slide, step=step, mpp=mpp)
            line = progress_line(slide.name, amount=plan.megapixels, unit="Mpx")

            def both(share: float) -> None:
                line(share)
                report(share)
                progress(share)

            both(0.0)
            found = analyse(plan, folder, predictor, threshold=threshold, fresh=fresh, progress=both)
            atomic.write_text(folder / "report.html", slide_report(found, plan.tissue, predictor.bundle))
            done.append(found)

    _check(path)
    job = SlideJob.of(folder)
    job.path.mkdir(parents=True, exist_ok=True)
    job.withdraw_stop()
    job.sweep()
    try:
        job.work(work)
    finally:  # also what failed stands in the table
        write_cohort(folder.parent)
    return done[0] if done else None


def _check(path: Path) -> None:
    """Raise :class:`DataError` where there is no file, before a folder is made for it."""
    try:
        path.stat()
    except OSError as error:
        raise DataError.unreadable(path, error) from error


def _line(done: Analysed, folder: Path) -> str:
    told = done.summary
    if not done.measures.tissue_mm2:
        return f"{told['slide']}: {told['notes'][0]} {folder}"
    notes = "".join(f" {note}" for note in told["notes"])
    foci = "1 focus" if told["foci"] == 1 else f"{told['foci']:,} foci"
    return (
        f"{told['slide']}: tissue {told['tissue_mm2']:.1f} mm², tumour {told['tumour_mm2']:.2f} mm² "
        f"({told['tumour_share']:.1%}), {foci}, longest {told['longest_mm']:.2f} mm ({told['longest_class']}), highest "
        f"probability {percent(told['highest_probability'])}.{notes} {folder}. {RESEARCH_ONLY}"
    )
