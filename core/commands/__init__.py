"""The commands of ``python -m core``.

Each module has a ``command``, which returns the exit status: 0 all went well, 1 some of the input or a run failed, 2
the command could not start. 130 means that Ctrl+C ended it, 141 that nobody reads the output any more.
"""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

import click
from click.shell_completion import CompletionItem

from core import __version__
from core.commands.parsing import Group
from core.commands.streams import printed
from core.errors import NodescopeError
from core.formatting import RESEARCH_ONLY
from core.storage.home import tighten_home

COMMANDS = {
    "Data": {
        "download": "Fetch a public data set.",
        "pack": "Read a folder of patches once into one fast file.",
        "check": "Find bad, duplicate and leaking patches.",
        "split": "Divide a data set, see how it divides, and save the split.",
        "export": "Write a data set, a split or a selection for other programs.",
        "label-errors": "Rank labels that are probably wrong.",
        "embed": "Draw patches as points on a map, by their features.",
    },
    "Training": {
        "train": "Train a network.",
        "lr-find": "Suggest a learning rate.",
        "cross-validate": "Test each patch by a model that never saw it.",
        "search": "Search for good settings; each trial is a run.",
        "learning-curve": "Find out whether more labelled patches would help.",
        "leak": "Compare training with a random split and with one by slide.",
        "average": "Average the weights of several bundles into one.",
        "runs": "List, show, stop, resume, compare, delete and restore runs.",
        "studies": "The same for cross-validations, searches and learning curves.",
    },
    "Models": {
        "predict": "Predict the probability of tumour for files, folders and zips.",
        "slide": "Predict whole slides: where is tumour, how much, how sure.",
        "slide-evaluate": "Compare what was found on slides with outlines: FROC, AUC, areas.",
        "slide-patches": "Cut labelled patches from annotated slides: a data set to train on.",
        "slide-viewer": "Fetch the script that moves slides in the browser.",
        "region": "Draw a map of a larger picture.",
        "explain": "Draw saliency maps and write a report.",
        "evaluate": "Measure a bundle on labelled patches, with 95% CIs.",
        "submit": "Write Kaggle's submission.csv, checked.",
        "info": "Print a bundle's card.",
        "export-model": "Write a bundle for other programs: ONNX, TorchScript, WSInfer, Hugging Face.",
    },
    "Nodescope": {
        "app": "Start the viewer and open it in the browser.",
        "home": "Show the size of Nodescope's folder, copy it, or take over another one.",
        "doctor": "Check this computer, and write a report without names or paths.",
    },
}
"""The commands by group, in the order of the help. What the help says stands here, because their modules bring PyTorch
and pandas with them, and `--help` should not wait for those."""

HIDDEN = ("neighbours", "preflight")
"""Commands that the pages start and that nobody needs to type."""

OLD_NAMES = {
    "folds": "cross-validate", "curve": "learning-curve", "errors": "label-errors", "lr": "lr-find", "get": "download",
    "rehearsal": "preflight",
}  # fmt: skip
"""Former names. Scripts have them, and so do processes that an earlier version started."""


class _Program(Group):
    """The commands above, each loaded when it is named."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names that the help shows."""
        return [name for commands in COMMANDS.values() for name in commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of a present or former name, or None."""
        name = OLD_NAMES.get(cmd_name, cmd_name)
        if name not in (*self.list_commands(ctx), *HIDDEN):
            return None
        command: click.Command = import_module(f"core.commands.{name.replace('-', '_')}").command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands that a shell offers, without loading them, which takes seconds."""
        texts = {name: text for commands in COMMANDS.values() for name, text in commands.items()}
        found = [CompletionItem(name, help=text) for name, text in texts.items() if name.startswith(incomplete)]
        return found or super().shell_complete(ctx, incomplete)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands into the help, a section for each group."""
        for title, commands in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl(list(commands.items()))


@click.group(
    cls=_Program,
    epilog=RESEARCH_ONLY,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 100},
)
@click.version_option(__version__, message="Nodescope %(version)s")
def program() -> None:
    """Nodescope: tumour in lymph-node patches."""


def main(arguments: Sequence[str] | None = None, *, name: str = "python -m core") -> int:
    """Run the command line and return its exit status.

    Args:
        arguments: what stands after the program's name; None takes the process's own.
        name: of the program, for its help.
    """
    with printed():
        return _run(list(sys.argv[1:] if arguments is None else arguments), name)


def _run(arguments: list[str], name: str) -> int:
    # Click's own `main` would end the process, and give Ctrl+C and a closed pipe other exit statuses.
    tighten_home()
    try:
        with _notices(), program.make_context(name, arguments) as context:
            status = int(program.invoke(context) or 0)
            sys.stdout.flush()  # here, where a full disk is still an error of this command
            return status
    except click.exceptions.Exit as ended:  # --help and --version
        return ended.exit_code
    except click.ClickException as error:
        if isinstance(error, click.UsageError) and error.ctx is not None:
            print(f"{error.ctx.get_usage()}\nTry '{error.ctx.command_path} --help'.\n", file=sys.stderr)
        print(f"error: {error.format_message()}", file=sys.stderr)
        return 2
    except NodescopeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader has seen enough, as in `... | head`
        return 141


@contextmanager
def _notices() -> Iterator[None]:
    """Print what is worth a notice on standard error: what was left out of a data set, once, whoever opened it."""
    notices, seen = logging.getLogger("nodescope"), set[str]()
    handler = logging.StreamHandler(sys.stderr)

    def is_new(record: logging.LogRecord) -> bool:
        before = len(seen)
        seen.add(record.getMessage())
        return len(seen) > before

    handler.addFilter(is_new)
    notices.addHandler(handler)
    try:
        yield
    finally:
        notices.removeHandler(handler)
