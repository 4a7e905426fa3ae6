"""``python -m core explain``: maps of what speaks for tumour, with figures on how far to trust them."""

import argparse
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np

from core.attribution import METHODS, AttributionOptions, attribute, available, supports, trust
from core.bundle import load_bundle
from core.commands.options import add_bundle, add_device
from core.display import to_png
from core.errors import AttributionError, PatchError
from core.formatting import percent
from core.images.decode import DecodedPatch, decode_patch
from core.images.discover import PatchFile, Problem, find_patches
from core.prediction import Predictor
from core.prediction.result import ask
from core.reports.checks import quick_checks, thorough_checks
from core.reports.map_settings import OverlaySettings
from core.reports.prediction import PredictionReport, ShownMap
from core.storage import atomic

ZOOM = 4


def add(commands: Any) -> None:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "explain",
        help="maps of what speaks for tumour, and a report",
        description="Write for every patch a folder with the map of each method (PNG over the patch, raw attribution "
        "as .npy, float32 3×96×96) and report.html. For research only, not for diagnosis.",
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="images, folders or zips")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write")
    parser.add_argument(
        "--method", action="append", metavar="NAME", help=f"may be given more than once; one of {', '.join(METHODS)}; "
        "'all' takes those that hold for the network (default: grad-cam)",
    )  # fmt: skip
    parser.add_argument("--baseline", choices=("white", "blur", "black"), default="white", help="default: white")
    parser.add_argument("--symmetries", action="store_true", help="average over the eight flips and turns")
    parser.add_argument("--sign", choices=("own", "absolute", "positive", "signed"), default="own")
    parser.add_argument("--opacity", type=float, default=0.6, help="0 to 1 (default: 0.6)")
    parser.add_argument("--percentile", type=float, default=99.0, help="full colour from here on (default: 99)")
    parser.add_argument("--smoothing", type=float, default=0.0, help="Gaussian, in pixels (default: 0)")
    parser.add_argument("--threshold", type=float, help="default: the bundle's")
    parser.add_argument("--trust", action="store_true", help="measure the slow trust figures too")
    add_bundle(parser)
    add_device(parser)
    parser.set_defaults(run=run_explain)


def run_explain(arguments: argparse.Namespace) -> int:
    """Explain and return the exit status: 0, or 1 if something could not be read."""
    predictor = Predictor(load_bundle(arguments.bundle), device=arguments.device)
    methods = _methods(predictor, arguments.method or ["grad-cam"])
    look = OverlaySettings(
        opacity=arguments.opacity, sign=arguments.sign, percentile=arguments.percentile, smoothing=arguments.smoothing
    )
    options = AttributionOptions(baseline=arguments.baseline, symmetries=arguments.symmetries)
    work = _Work(predictor, methods, look, options, arguments.threshold, arguments.trust, arguments.out)
    found = find_patches(arguments.paths)
    problems = list(found.problems)
    for file in found.files:
        try:
            decoded = decode_patch(file.read(), name=file.name)
        except PatchError as error:
            problems.append(Problem.from_error(file.name, error))
            continue
        work.explain(file, decoded)
    for problem in problems:
        print(f"not read: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _methods(predictor: Predictor, names: list[str]) -> list[str]:
    if "all" in names:
        return available(predictor.module)
    names = list(dict.fromkeys(names))
    for name in names:
        reason = supports(name, predictor.module)
        if reason is not None:
            raise AttributionError(f"{METHODS[name].label} cannot explain this network. {reason}")
    return names


class _Work:
    """Explains one patch after the other into a folder of its own."""

    def __init__(
        self,
        predictor: Predictor,
        methods: list[str],
        look: OverlaySettings,
        options: AttributionOptions,
        threshold: float | None,
        thorough: bool,
        out: Path,
    ):
        self.predictor, self.methods, self.look, self.options = predictor, methods, look, options
        self.threshold, self.out = threshold, out
        self.random = trust.with_random_weights(predictor.module) if thorough else None

    def explain(self, file: PatchFile, decoded: DecodedPatch) -> None:
        answer = ask(self.predictor, decoded.pixels, threshold=self.threshold)
        folder = self.out / file.id
        maps = [self._map(decoded, method, folder) for method in self.methods]
        report = PredictionReport(
            name=file.name,
            result=answer,
            bundle=self.predictor.bundle,
            maps=tuple(maps),
            overlay=self.look,
            notes=decoded.notes,
            settings=self.options.to_json(),
        )
        atomic.write_text(folder / "report.html", report.to_html())
        ood = f" Doubtful: {answer.ood.sentence}" if answer.ood else ""
        print(f"{file.name}: {percent(answer.probability)}, {answer.verdict}.{ood} {folder / 'report.html'}")

    def _map(self, decoded: DecodedPatch, method: str, folder: Path) -> ShownMap:
        pixels = decoded.pixels
        attribution = attribute(self.predictor.module, pixels, method=method, options=self.options)
        atomic.write_bytes(folder / f"{method}.png", to_png(self.look.draw(attribution, pixels, zoom=ZOOM)))
        buffer = io.BytesIO()
        np.save(buffer, attribution.values)
        atomic.write_bytes(folder / f"{method}.npy", buffer.getvalue())
        checks = quick_checks(self.predictor, pixels, attribution)
        if self.random is not None:
            checks += thorough_checks(
                self.predictor, pixels, attribution, random_module=self.random, options=self.options
            )
        return ShownMap(attribution, tuple((check.question, check.sentence) for check in checks))
