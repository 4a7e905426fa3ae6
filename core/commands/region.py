"""``python -m core region``: a map of the probability of tumour over a larger picture."""

import sys
from dataclasses import replace
from pathlib import Path

import click

from core.bundle import Bundle, load_bundle
from core.commands import options
from core.commands.output import print_json, progress_line
from core.commands.predict import sizing_of
from core.display import to_png
from core.errors import ConfigError, PatchError
from core.formatting import RESEARCH_ONLY, percent
from core.images.decode import Whole
from core.images.tiling import prepare
from core.prediction import Predictor
from core.prediction.region import RegionMap, examine_tiles, map_about, map_json, read_region
from core.storage import atomic

WRITERS = (".png", ".csv", ".json")
BUNDLE = "nodescope-net"


@options.command("region", epilog=RESEARCH_ONLY)
@click.argument("picture", type=options.PATH, metavar="PICTURE")
@options.out(f"Where to write: {', '.join(WRITERS)}; may be given more than once.", multiple=True, required=True)
@options.mpp("µm per pixel of the picture, which is then rescaled; 'file' takes what a TIFF says.")
@options.threshold
@options.as_json
@options.option(
    "--bundle", type=options.PATH, default=Path(BUNDLE), metavar="FILE", group="Model",
    help="A bundle. One whose network has no padding, such as nodescope-net, is the quickest and gives the finest map.",
)  # fmt: skip
@options.device
def command(
    picture: Path,
    out: tuple[Path, ...],
    mpp: str | None,
    threshold: float | None,
    as_json: bool,
    bundle: Path,
    device: str,
) -> int:
    """Read a picture that is larger than a patch: the probability of every 96×96 patch on a grid.

    The grid has 8 pixels with a network that reads whole regions, else 32. The map is laid over the picture (.png) or
    written as a table of places (.csv) or as .json. Places without tissue are called nothing, and tiles that are
    out-of-distribution are marked.
    """
    for path in out:
        if path.suffix.lower() not in WRITERS:
            raise ConfigError(f"{path.name} should end in {', '.join(WRITERS)}, which says what to write.")
        options.check_folder(path)
        if path.expanduser().resolve() == picture.expanduser().resolve():
            raise ConfigError(f"{path.name} is the picture itself, which would be lost; give --out another name.")
    if threshold is not None and not 0 <= threshold <= 1:
        raise ConfigError(f"--threshold must be 0 to 1, got {threshold:g}.")
    whole = _opened(picture, mpp)
    predictor = Predictor(load_bundle(bundle), device=device)
    region = read_region(predictor, whole.pixels, progress=progress_line("Reading"))
    region = replace(region, tiles=examine_tiles(predictor, whole.pixels, progress=progress_line("Examining tiles")))
    threshold = region.threshold if threshold is None else threshold
    for path in out:
        _write(path, whole, region, threshold, predictor.bundle)
    rows, columns = region.probabilities.shape
    share, highest = region.share(threshold), region.highest
    if as_json:
        print_json(
            {
                "size": whole.size,
                "columns": columns,
                "rows": rows,
                "step": region.step,
                "threshold": threshold,
                "tumour_share": share,
                "tissue_share": region.tissue_share(),
                "highest_probability": highest,
                "tiles": len(region.tiles),
                "out_of_distribution_tiles": [list(tile.at) for tile in region.unusual],
                "files": [str(path) for path in out],
            }
        )
        return 0
    print(
        f"{whole.size[0]}×{whole.size[1]} pixels, {columns}×{rows} places, {region.tissue_share():.1%} with tissue: of "
        f"these {share:.1%} called tumour at {threshold:.3f}, highest probability {percent(highest)}. "
        f"{len(region.unusual)} of {len(region.tiles)} tiles are out-of-distribution: do not rely on the map there. "
        f"{', '.join(map(str, out))}. {RESEARCH_ONLY}"
    )
    return 0


def _opened(picture: Path, mpp: str | None) -> Whole:
    path = picture.expanduser()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PatchError(f"{path} cannot be read: {error.strerror}.") from error
    whole = prepare(data, name=path.name, mpp=sizing_of("rescale", mpp).mpp if mpp is not None else None)
    for note in whole.notes:
        print(f"changed: {path.name}: {note}", file=sys.stderr)
    return whole


def _write(out: Path, whole: Whole, region: RegionMap, threshold: float, bundle: Bundle) -> None:
    if out.suffix.lower() == ".csv":
        atomic.write_text(out, region.table())
    elif out.suffix.lower() == ".json":
        atomic.write_text(out, map_json(bundle, threshold, region))
    else:
        about = map_about(bundle, threshold, region)
        atomic.write_bytes(out, to_png(region.overlay(whole.pixels, threshold=threshold), about=about))
