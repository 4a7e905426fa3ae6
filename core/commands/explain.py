"""``python -m core explain``: saliency maps, with measures of how far to trust them."""

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import click
import numpy as np
import pandas as pd
from torch import nn

from core.attribution import METHODS, AttributionOptions, attribute, available, supports, trust
from core.attribution.methods import refusal
from core.bundle import load_bundle
from core.commands import options
from core.commands.output import print_json
from core.data import open_dataset
from core.display import to_png
from core.errors import PatchError, Problem
from core.formatting import RESEARCH_ONLY, percent
from core.images.decode import DecodedPatch, decode_patch
from core.images.discover import find_patches
from core.images.names import id_choices
from core.prediction import Predictor
from core.prediction.result import PatchResult, predict_patch
from core.reports.checks import quick_checks, thorough_checks
from core.reports.map_settings import OverlaySettings
from core.reports.prediction import PredictionReport, ShownMap
from core.storage import atomic

ZOOM = 4


@options.command("explain", epilog=RESEARCH_ONLY)
@options.paths
@options.data(required=False, help="Explain patches of this data set; PATH are then their ids.")
@options.out("Folder to write to.", metavar="DIR", required=True)
@options.option(
    "--method", "names", multiple=True, metavar="NAME", default=["grad-cam"], group="Method",
    help=f"May be given more than once; one of {', '.join(METHODS)}; 'all' takes those that suit the network.",
)  # fmt: skip
@options.option(
    "--baseline", type=click.Choice(["white", "blur", "black"]), default="white", group="Method",
    help="What stands for absent tissue.",
)  # fmt: skip
@options.option("--symmetries", is_flag=True, help="Average over the eight flips and rotations.", group="Method")
@options.option("--trust", "thorough", is_flag=True, help="Measure the slow trust checks too.", group="Method")
@options.option(
    "--sign", type=click.Choice(["own", "absolute", "positive", "signed"]), default="own", group="Overlay",
    help="Which sign of the attribution is drawn; own is the method's own choice.",
)  # fmt: skip
@options.option("--opacity", type=float, default=0.6, help="0 to 1.", group="Overlay")
@options.option("--percentile", type=float, default=99.0, help="Full colour from here on.", group="Overlay")
@options.option("--smoothing", type=float, default=0.0, help="Gaussian, in pixels.", group="Overlay")
@options.threshold
@options.as_json
@options.bundle()
@options.device
def command(
    paths: tuple[str, ...],
    data: str | None,
    out: Path,
    names: tuple[str, ...],
    baseline: Any,
    symmetries: bool,
    thorough: bool,
    sign: Any,
    opacity: float,
    percentile: float,
    smoothing: float,
    threshold: float | None,
    as_json: bool,
    bundle: Path | None,
    device: str,
) -> int:
    """Write a folder for every patch with the saliency map of each method and report.html.

    A map is a PNG over the patch, and the raw attribution as .npy (float32, 3×96×96). The exit status is 1 if a file
    cannot be read.
    """
    predictor = Predictor(load_bundle(bundle), device=device)
    explainer = _Explainer(
        predictor,
        _methods(predictor, names),
        OverlaySettings(opacity=opacity, sign=sign, percentile=percentile, smoothing=smoothing),
        AttributionOptions(baseline=baseline, symmetries=symmetries),
        threshold,
        trust.with_random_weights(predictor.module) if thorough else None,
        out,
    )
    problems, explained = list[Problem](), list[dict[str, object]]()
    for folder, name, decoded in _files(paths, problems) if data is None else _patches(data, paths, problems):
        result, report = explainer.explain(folder, name, decoded)
        if not as_json:
            ood = f" Out-of-distribution: {result.ood.sentence}" if result.ood else ""
            print(f"{name}: {percent(result.probability)}, {result.verdict}.{ood} {report}")
        explained.append(
            {"name": name, "probability": result.probability, "verdict": result.verdict, "report": str(report)}
        )
    if as_json:
        print_json(explained)
    for problem in problems:
        print(f"not read: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _files(paths: tuple[str, ...], problems: list[Problem]) -> Iterator[tuple[str, str, DecodedPatch]]:
    """Yield a name for the folder, the name and the patch of each file; what cannot be read goes to `problems`."""
    found = find_patches(paths)
    problems += found.problems
    for file in found.files:
        try:
            yield file.id, file.name, decode_patch(file.read(), name=file.name)
        except PatchError as error:
            problems.append(Problem.from_error(file.name, error))


def _patches(data: str, ids: tuple[str, ...], problems: list[Problem]) -> Iterator[tuple[str, str, DecodedPatch]]:
    """Yield the same of some patches of a data set."""
    dataset = open_dataset(data)
    rows = pd.Series(np.arange(len(dataset)), index=dataset.table["id"].astype(str))
    for patch_id in ids:
        if patch_id not in rows.index:
            problems.append(Problem(patch_id, f"is no id of a patch of {dataset.name}"))
            continue
        loaded = dataset.store.load([rows[patch_id]])
        if loaded.unreadable:
            problems.append(Problem(patch_id, loaded.unreadable[0]))
            continue
        decoded = DecodedPatch(loaded.pixels[0], loaded.notes.get(0, ()))
        yield id_choices("", PurePosixPath(patch_id))[1], patch_id, decoded


def _methods(predictor: Predictor, names: tuple[str, ...]) -> list[str]:
    if "all" in names:
        return available(predictor.module)
    for name in names:
        reason = supports(name, predictor.module)
        if reason is not None:
            raise refusal(name, predictor.module, reason)
    return list(dict.fromkeys(names))


@dataclass(frozen=True)
class _Explainer:
    """Explains one patch after the other into a folder of its own; `random` is for the slow checks, if wanted."""

    predictor: Predictor
    methods: list[str]
    look: OverlaySettings
    options: AttributionOptions
    threshold: float | None
    random: nn.Module | None
    out: Path

    def explain(self, folder_name: str, name: str, decoded: DecodedPatch) -> tuple[PatchResult, Path]:
        """Write the maps and the report of a patch; return what was predicted, and where the report is."""
        result = predict_patch(self.predictor, decoded.pixels, threshold=self.threshold)
        folder = self.out / folder_name
        report = PredictionReport(
            name=name,
            result=result,
            bundle=self.predictor.bundle,
            maps=tuple(self._map(decoded, method, folder) for method in self.methods),
            overlay=self.look,
            notes=decoded.notes,
            settings=self.options.to_json(),
        )
        atomic.write_text(folder / "report.html", report.to_html())
        return result, folder / "report.html"

    def _map(self, decoded: DecodedPatch, method: str, folder: Path) -> ShownMap:
        pixels = self.predictor.seen(decoded.pixels)
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
