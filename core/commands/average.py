"""``python -m core average``: one network from several that began alike."""

from pathlib import Path

from core.bundle import load_bundle
from core.commands import options
from core.commands.info import describe
from core.commands.train import config_of
from core.data import open_dataset
from core.training.averaging import average
from core.training.data import gather


@options.command("average")
@options.paths
@options.out("Where to write the new bundle.", required=True)
@options.data(multiple=True, help=f"{options.DATA_HELP} What they were trained on; may be given more than once.")
@options.option(
    "--validation-data", type=int, metavar="N", default=1,
    help="Which --data gives the validation split; 1 is the first.",
)  # fmt: skip
@options.device
def command(paths: tuple[str, ...], out: Path, data: tuple[str, ...], validation_data: int, device: str) -> int:
    """Average the weights of bundles into one.

    PATH... are two or more bundles of one network that were trained from the same starting weights, with other seeds or
    settings. The mean is as quick as one of them and usually better. Its norms, calibration and thresholds are found
    anew.
    """
    options.check_folder(out)
    config = config_of({"data": data, "validation_data": validation_data, "device": device})
    bundles = [load_bundle(path) for path in paths]
    training_data = gather([open_dataset(source) for source in config.data], config)
    made = average(bundles, training_data, config, name=out.stem)
    made.save(out)
    print(describe(made))
    return 0
