"""``python -m core slide``: whole slides, from the file to a folder of results each."""

import sys
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import click

from core.bundle import load_bundle
from core.cluster import Outcome, Piece, Where, carry_out
from core.commands import options
from core.commands.output import print_json, progress_line
from core.errors import ConfigError, DataError, Problem
from core.formatting import RESEARCH_ONLY, percent, printable
from core.job import Cancelled
from core.prediction import Predictor
from core.progress import Progress, no_progress
from core.reports.slide import slide_report
from core.slides.analyse import Analysed, SlideJob, analyse, plan_slide
from core.slides.cohort import by_reason, tabled
from core.slides.folders import mpp_given, slides_of
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
    "--threshold",
    type=float,
    metavar="P",
    show_default="the bundle's for slides",
    help="Areas are made of cells from this probability on, 0 to 1; the bundle's peak has to be reached within.",
)
@options.fresh
@options.as_json
@options.bundle()
@options.device
@options.engine
@options.cluster
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
    where: Where,
    job: Path | None,
) -> int:
    """Predict whole slides: where is tumour, how much, how sure.

    DIR/NAME/ then holds map.npz, areas.geojson (for QuPath), foci.csv, summary.json, thumbnail.jpg and report.html, and
    DIR/slides.csv the measures of all slides. What was stopped or killed goes on with the same command, which may run
    on several machines with one DIR: none takes a slide that another one has.
    """
    if threshold is not None and not 0 <= threshold <= 1:
        raise ConfigError(f"--threshold must be 0 to 1, got {threshold:g}.")
    paths = slides_of(slides)
    stems = Counter(path.stem for path in paths)
    given = mpp_given(mpp)
    _predictor(bundle, device)  # what is wrong with it is said once, and not for each slide
    problems: list[Problem] = []
    folder = out.expanduser().resolve()
    pieces = [
        _piece(
            path, folder, bundle=bundle, device=device, step=int(step),
            mpp=given_mpp(path.name, given), threshold=threshold, fresh=fresh, has_line=where.is_here,
        )
        for path in paths
        if can_begin(path, stems, problems)
    ]  # fmt: skip

    def ended(progress: Progress) -> Iterator[tuple[Piece, Outcome]]:
        with where.pool(device) as pool:
            yield from tabled(folder, carry_out(pool, pieces, progress=progress, stop=_stop))

    def for_page(report: Progress) -> None:
        deque(ended(report), maxlen=0)  # a slide that fails says so in its own folder, and the others go on
        if problems:
            raise DataError(" ".join(dict.fromkeys(each.reason for each in problems)))

    if job is not None:
        return options.work_in_job(job, for_page)
    summaries = dict[str, dict[str, Any]]()
    for piece, outcome in ended(no_progress if where.is_here else progress_line("Slides")):
        name = printable(piece.name)
        if outcome.error is not None:
            problems.append(Problem(name, str(outcome.error)))
            print(f"failed: {piece.arguments['path']}: {outcome.error}", file=sys.stderr)
        elif outcome.state == "stopped":
            problems.append(Problem(name, "stopped"))
            print(f"{name}: stopped; the same command goes on.", file=sys.stderr)
        else:
            summaries[piece.name] = outcome.value
            if not as_json:
                print(_line(outcome.value, piece.arguments["folder"]), flush=True)
            if not outcome.value["tissue_mm2"]:
                problems.append(Problem(name, outcome.value["notes"][0]))
    if as_json:
        found = [summaries[piece.name] for piece in pieces if piece.name in summaries]
        print_json({"slides": found, "problems": [{"slide": each.name, "reason": each.reason} for each in problems]})
    elif len(paths) > 1:
        print(_by_reason(problems, len(paths)), end="", file=sys.stderr)
    return 1 if problems else 0


def _by_reason(problems: list[Problem], slides: int) -> str:
    """Return what went wrong with how many slides, the most frequent first; nothing where nothing did."""
    names = by_reason(
        (each.name, each.reason.removeprefix(f"{each.name}: ").replace(each.name, "It")) for each in problems
    )
    lines = [f"{len(problems):,} of {slides:,} slides have problems:"] if problems else []
    for reason, those in names.items():
        more = f" and {len(those) - 3:,} more" if len(those) > 3 else ""
        lines.append(f"  {len(those):,}: {reason} ({', '.join(those[:3])}{more})")
    return "".join(f"{line}\n" for line in lines)


def _stop(pieces: Sequence[Piece]) -> None:
    for piece in pieces:
        SlideJob.of(piece.arguments["folder"]).request_stop()


@lru_cache(maxsize=1)
def _predictor(bundle: Path | None, device: str) -> Predictor:
    return Predictor(load_bundle(bundle), device=device)


def _piece(path: Path, out: Path, **given: Any) -> Piece:
    folder = out / path.stem
    job = SlideJob.of(folder)
    arguments = {"path": path.resolve(), "folder": folder, **given}
    return Piece(path.name, job.path / "claims", predict_slide, arguments, lambda: job.status().share)


def predict_slide(
    *,
    path: Path,
    folder: Path,
    bundle: Path | None,
    device: str,
    mpp: float | None,
    step: int,
    threshold: float | None,
    fresh: bool,
    has_line: bool,
    progress: Progress,
) -> dict[str, Any]:
    """Do one slide and return its summary: a piece of a cohort, see :class:`core.cluster.Piece`.

    Raises:
        Cancelled: somebody requested the end.
        NodescopeError: it cannot be done.
    """
    predictor, done = _predictor(bundle, device), list[Analysed]()

    def work(report: Progress) -> None:
        with Slide(path) as slide:
            plan = plan_slide(path, slide, step=step, mpp=mpp)
            line = progress_line(slide.name, amount=plan.megapixels, unit="Mpx") if has_line else no_progress

            def both(share: float) -> None:
                line(share)
                report(share)
                progress(share)

            both(0.0)
            found = analyse(plan, folder, predictor, threshold=threshold, fresh=fresh, progress=both)
            atomic.write_text(folder / "report.html", slide_report(found, plan.tissue, predictor.bundle))
            done.append(found)

    job = SlideJob.of(folder)
    job.withdraw_stop()
    job.sweep()
    job.work(work)
    if not done:
        raise Cancelled
    return done[0].summary


def can_begin(path: Path, stems: Mapping[str, int], problems: list[Problem]) -> bool:
    """Whether there is such a file, whose folder no other slide has; adds why not to `problems`."""
    try:
        path.stat()
        if stems[path.stem] == 1:
            return True
        reason = (
            f"{stems[path.stem]} slides are called {printable(path.stem)} and would share a folder of results; rename "
            "them, or give each another --out."
        )
    except OSError as error:
        reason = str(DataError.unreadable(path, error))
    problems.append(Problem(printable(path.name), reason))
    print(f"failed: {path}: {reason}", file=sys.stderr)
    return False


def _line(told: dict[str, Any], folder: Path) -> str:
    if not told["tissue_mm2"]:
        return f"{told['slide']}: {told['notes'][0]} {folder}"
    notes = "".join(f" {note}" for note in told["notes"])
    foci = "1 focus" if told["foci"] == 1 else f"{told['foci']:,} foci"
    return (
        f"{told['slide']}: tissue {told['tissue_mm2']:.1f} mm², tumour {told['tumour_mm2']:.2f} mm² "
        f"({told['tumour_share']:.1%}), {foci}, longest {told['longest_mm']:.2f} mm ({told['longest_class']}), highest "
        f"probability {percent(told['highest_probability'])}.{notes} {folder}. {RESEARCH_ONLY}"
    )
