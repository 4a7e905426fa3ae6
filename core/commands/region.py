"""``python -m core region``: a map of the probability of tumour over a larger picture."""

import argparse
import sys
from pathlib import Path
from typing import Any

from core.bundle import load_bundle
from core.commands.options import add_device, check_folder, progress_line
from core.commands.predict import sizing_of
from core.display import to_png
from core.errors import ConfigError, PatchError
from core.formatting import RESEARCH_ONLY, percent
from core.images.decode import Whole
from core.images.tiling import prepare
from core.prediction import Predictor
from core.prediction.region import RegionMap, map_about, read_region
from core.storage import atomic

WRITERS = (".png", ".csv")
BUNDLE = "nodescope-net"


def add(commands: Any) -> None:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "region",
        help="a map of a larger picture",
        description="Read a picture that is larger than a patch: the probability of every 96×96 patch on a grid of 8 "
        "pixels, laid over the picture (.png) or as a table of places (.csv). For research only, not for diagnosis.",
    )
    parser.add_argument("picture", type=Path, metavar="PICTURE", help="at least 96×96 pixels")
    parser.add_argument(
        "--out", type=Path, action="append", required=True, metavar="FILE",
        help=f"where to write: {' or '.join(WRITERS)}; may be given more than once",
    )  # fmt: skip
    parser.add_argument(
        "--mpp", metavar="X|file",
        help="µm per pixel of the picture, which is then rescaled; 'file' takes what a TIFF says",
    )  # fmt: skip
    parser.add_argument("--threshold", type=float, help="from here on there is colour; default: the bundle's")
    parser.add_argument(
        "--bundle", type=Path, default=Path(BUNDLE), metavar="FILE",
        help=f"a bundle whose network reads regions (default: {BUNDLE}, which comes with Nodescope)",
    )  # fmt: skip
    add_device(parser)
    parser.set_defaults(run=run_region)


def run_region(arguments: argparse.Namespace) -> int:
    """Read the picture, write the map and return 0."""
    for out in arguments.out:
        if out.suffix.lower() not in WRITERS:
            raise ConfigError(f"{out.name} should end in {' or '.join(WRITERS)}, which says what to write.")
        check_folder(out)
        if out.expanduser().resolve() == arguments.picture.expanduser().resolve():
            raise ConfigError(f"{out.name} is the picture itself, which would be lost; give --out another name.")
    if arguments.threshold is not None and not 0 <= arguments.threshold <= 1:
        raise ConfigError(f"--threshold lies between 0 and 1; found {arguments.threshold:g}.")
    whole = _opened(arguments)
    predictor = Predictor(load_bundle(arguments.bundle), device=arguments.device)
    region = read_region(predictor, whole.pixels, progress=progress_line("Reading"))
    line = region.threshold if arguments.threshold is None else arguments.threshold
    for out in arguments.out:
        _write(out, whole, region, line, map_about(predictor.bundle, line))
    rows, columns = region.probabilities.shape
    print(
        f"{whole.size[0]}×{whole.size[1]} pixels, {columns}×{rows} places: {region.share(line):.1%} called tumour at "
        f"{line:.3f}, highest probability {percent(region.probabilities.max())}. {', '.join(map(str, arguments.out))}. "
        f"{RESEARCH_ONLY}"
    )
    return 0


def _opened(arguments: argparse.Namespace) -> Whole:
    path: Path = arguments.picture.expanduser()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PatchError(f"{path} cannot be read: {error.strerror}.") from error
    mpp = sizing_of("rescale", arguments.mpp).mpp if arguments.mpp is not None else None
    whole = prepare(data, name=path.name, mpp=mpp)
    for note in whole.notes:
        print(f"changed: {path.name}: {note}", file=sys.stderr)
    return whole


def _write(out: Path, whole: Whole, region: RegionMap, line: float, about: dict[str, str]) -> None:
    if out.suffix.lower() == ".csv":
        atomic.write_text(out, region.table())
    else:
        atomic.write_bytes(out, to_png(region.overlay(whole.pixels, threshold=line), about=about))
