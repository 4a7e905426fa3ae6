"""Options that several commands share: one spelling, one help and one meaning for each."""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from core.bundle.shipped import SHIPPED
from core.cluster import Where
from core.commands.output import progress_line
from core.commands.parsing import Command, Option
from core.data.archives import unpack
from core.data.choices import remember
from core.data.layouts import place_of
from core.data.open import DEMO
from core.device import NAMES, check_device
from core.errors import ChoiceError, ConfigError, DataError, DeviceError, NodescopeError, StorageError
from core.job import Job, JobStatus
from core.prediction.engine import ENGINES, TORCH
from core.progress import Progress

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
SomeJob = TypeVar("SomeJob", bound=Job)

PATH = click.Path(path_type=Path)
DATA_HELP = "A folder, table or zip of patches, or 'demo'."
CHOSEN = "Data set"

VALID = "valid"
"""How stored predictions and cards name the validation split."""


def command(name: str, **given: Any) -> Callable[[Callable[..., Any]], Command]:
    """Return the decorator that makes a function the command of that name; its docstring becomes the help."""
    return click.command(name, cls=Command, **given)


def option(*declarations: str, **given: Any) -> Decorator:
    """Return the decorator for one option, see :class:`core.commands.parsing.Option`."""
    return click.option(*declarations, cls=Option, **given)


def data(*, required: bool = True, **given: Any) -> Decorator:
    """Return the decorator for ``--data`` and for what is chosen about the data set, which is remembered for it."""
    own = option("--data", required=required, **{"metavar": "DIR|demo", "help": DATA_HELP, **given})
    return lambda function: own(_choosing(function))


def _choosing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for classes, sizes and places of files, and keep what they say before the command begins."""

    @option(
        "--tumour",
        "--tumor",
        "tumour",
        multiple=True,
        metavar="NAME",
        group=CHOSEN,
        help="A class that is tumour, where names do not tell; may be given more than once, or as A,B.",
    )
    @option(
        "--normal",
        multiple=True,
        metavar="NAME",
        group=CHOSEN,
        help="A class that is normal. What is neither is left out.",
    )
    @option(
        "--size",
        type=click.Choice(["exact", "mpp", "crop", "resize"]),
        group=CHOSEN,
        help="How pictures that are not 96×96 become patches: by their µm per pixel, by their centre, resized.",
    )
    @option(
        "--mpp",
        "data_mpp",
        type=click.FloatRange(0.05, 20),
        metavar="X",
        group=CHOSEN,
        help="µm per pixel of the pictures, where they do not say.",
    )
    @option("--enlarge/--no-enlarge", default=None, group=CHOSEN, help="Enlarge by more than 1.3.", show_default="no")
    @option("--root", metavar="DIR", group=CHOSEN, help="Folder from which the paths of a table count.")
    @functools.wraps(function)
    def with_choices(*, tumour: tuple[str, ...], normal: tuple[str, ...], size: str | None, data_mpp: float | None,
                     enlarge: bool | None, root: str | None, **given: Any) -> Any:  # fmt: skip
        chosen = {
            "tumour": _names(tumour), "normal": _names(normal), "size": "" if size == "exact" else size,
            "mpp": data_mpp, "enlarge": enlarge, "root": root and str(Path(root).expanduser().resolve()),
        }  # fmt: skip
        sources = () if given.get("only_unpack") else given.get("data") or given.get("folder") or ()
        for source in (sources,) if isinstance(sources, str) else sources:
            _prepare(source, {name: value for name, value in chosen.items() if value not in (None, ())})
        return function(**given)

    return with_choices


def _names(given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.strip() for each in given for name in each.split(",") if name.strip())


def _prepare(source: str, chosen: dict[str, Any]) -> None:
    """Unpack a data set that is packed, and keep what was chosen for it."""
    if source.strip() == DEMO:
        return
    try:
        place = place_of(source)
    except ChoiceError as error:
        if error.about != "packed":
            raise
        unpack(Path(source).expanduser(), progress=progress_line("Unpacking"))
        place = place_of(source)
    except DataError:
        if chosen:
            raise
        return  # the command says it in its own words
    if chosen:
        remember(place.source, replace(place.choices, **chosen))


def data_or_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--data`` and, as these commands always had it, the same without the option's name."""

    @click.argument("folder", required=False, metavar="[DIR|demo]")
    @data(required=False)
    @functools.wraps(function)
    def with_data(*, folder: str | None, data: str | None, **given: Any) -> Any:
        if (folder is None) == (data is None):
            raise click.UsageError("Name the data set once: with --data DIR, or with DIR only.")
        return function(data=folder or data, **given)

    return with_data


def bundle(*, several: bool = False) -> Decorator:
    """Return the decorator for ``--bundle``; `several` may be given."""
    more = " Given more than once, the mean of their calibrated logits." if several else ""
    text = f"A .safetensors bundle, or one that comes with Nodescope: {', '.join(SHIPPED)}.{more}"
    return option(
        "--bundle", "bundles" if several else "bundle", type=PATH, metavar="FILE", multiple=several, help=text,
        show_default=next(iter(SHIPPED)), group="Model",
    )  # fmt: skip


study = option("--study", metavar="NAME", help="Bundles of all folds of a cross-validation, as one.", group="Model")


class DeviceName(click.ParamType[str]):
    """The name of a device."""

    name = "device"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, or say which ones there are."""
        try:
            return check_device(value)
        except DeviceError as error:
            self.fail(str(error), param, ctx)


DEVICE_HELP = f"{NAMES}. Auto takes a GPU if there is one, the least busy of several."
device = option("--device", type=DeviceName(), metavar="NAME", default="auto", help=DEVICE_HELP, group="Model")


def engine(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--engine``, which goes into the device's name: all that gets a device then gets the engine with it."""

    @option("--engine", type=click.Choice(ENGINES), group="Model", show_default="openvino where it is installed",
            help="What computes probabilities on a CPU. OpenVINO agrees with PyTorch to 1e-5; in bf16, on processors "
            "that have it, it is faster still, and probabilities differ, seldom by a tenth or more.")  # fmt: skip
    @functools.wraps(function)
    def with_engine(*, engine: str | None, device: str, **given: Any) -> Any:
        if engine is not None:
            device = f"{'cpu' if device == 'auto' and engine != TORCH else device}:{engine}"
        return function(device=device, **given)

    return with_engine


decisions = option(
    "--decisions",
    metavar="FILE|none",
    help="A file with decisions about patches, or none of them.",
    show_default="the data set's own",
)
threshold = option(
    "--threshold", type=float, metavar="P", help="Decision threshold, 0 to 1.", show_default="the bundle's"
)
subset = option(
    "--subset", aliases=["--split"], default="auto",
    # "valid" is the older spelling: understood, and not in the help.
    callback=lambda _ctx, _option, value: VALID if value == "validation" else value,
    type=click.Choice(["auto", "train", "validation", "test", "all", VALID]), metavar="auto|train|validation|test|all",
    help="Which labelled patches; auto takes those that the bundle was not trained on, as far as its card tells.",
)  # fmt: skip
fresh = option("--fresh", is_flag=True, help="Compute again, although there is a stored result.")
as_json = option("--json", "as_json", is_flag=True, help="Print JSON.")
job = option("--job", type=PATH, hidden=True)
PIECES = "Several processes"


def cluster(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where pieces of the work are carried out, as the argument ``where``."""

    @option("--workers", type=click.IntRange(1, 256), metavar="N", group=PIECES, show_default="this process alone",
            help="So many processes of this machine, each with one at a time. Each gets a GPU in turn where there are "
            "several; with --device cuda:1 they share that one.")  # fmt: skip
    @option("--ray", metavar="ADDRESS|local", group=PIECES, help="A Ray cluster, by the address of its head.")
    @option(
        "--cpus", type=click.IntRange(1), default=1, metavar="N", group=PIECES, help="Cores, and so threads, of each."
    )
    @option("--gpus", type=click.FloatRange(0), default=0, metavar="N", group=PIECES, help="GPUs of each, on Ray.")
    @option("--memory", type=click.FloatRange(0), default=0, metavar="GB", group=PIECES, help="Memory of each, on Ray.")
    @functools.wraps(function)
    def with_where(*, workers: int | None, ray: str | None, cpus: int, gpus: float, memory: float, **given: Any) -> Any:
        if workers and ray:
            raise ConfigError("--workers are processes of this machine and --ray is a cluster; give one of them.")
        return function(where=Where(workers or 0, ray or "", cpus, gpus, memory), **given)

    return with_where


paths = click.argument("paths", nargs=-1, required=True, metavar="PATH...")


def out(text: str, *, metavar: str = "FILE", **given: Any) -> Decorator:
    """Return the decorator for ``--out``, the file or folder that the command writes."""
    return option("--out", type=PATH, metavar=metavar, help=text, **given)


def mpp(text: str, *, group: str = "Options") -> Decorator:
    """Return the decorator for ``--mpp``."""
    return option("--mpp", metavar="X|file", help=text, group=group)


def check_folder(path: Path | None) -> None:
    """See that the folder of a file to be written is there, before any work is done for it.

    Raises:
        StorageError: it is not.
    """
    if path is not None and not path.expanduser().resolve().parent.is_dir():
        raise StorageError(f"There is no folder {path.parent} to write {path.name} to. Make it, or check the path.")


def as_job(job: SomeJob, run: Callable[[SomeJob], JobStatus]) -> int:
    """Do the work that a page started in the background, and return 0, or 1 if it was cancelled.

    Raises:
        NodescopeError: it failed; the folder says so too, also where the work could not begin.
    """
    try:
        return 0 if run(job).state == "finished" else 1
    except NodescopeError as error:
        job.write(JobStatus("failed", message=str(error)))
        raise


def work_in_job(folder: Path, work: Callable[[Progress], object]) -> int:
    """Do `work`, which gets the function for its progress, as :func:`as_job` does in a plain job's folder."""
    return as_job(Job(folder), lambda job: job.work(work))
