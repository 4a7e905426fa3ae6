"""``nodescope home``: the folder with runs, packs and decisions: its size, a copy of it, and taking a copy over."""

from pathlib import Path

import click

from core.commands import options
from core.commands.output import print_json, progress_line, table
from core.commands.parsing import Group
from core.formatting import file_size
from core.storage.home import HOME_VARIABLE, home
from core.storage.home_archive import export_home, import_home, sizes


@click.group("home", cls=Group)
def command() -> None:
    """Show the size of Nodescope's folder, copy it into one file, or take over such a file."""


@command.command("show")
@options.as_json
def show(as_json: bool) -> int:
    """Say where the folder is and what its parts take."""
    found = sizes()
    if as_json:
        print_json({"path": str(home()), "bytes": found})
        return 0
    print(f"{home()} ({file_size(sum(found.values()))}; {HOME_VARIABLE} chooses another)")
    if found:
        print(table([[f"  {name}", file_size(size)] for name, size in found.items()]))
    return 0


@command.command("export")
@click.argument("file", type=options.PATH, metavar="FILE.zip")
@options.option(
    "--all", "everything", is_flag=True, help="Also packs and the demo set, which are made again otherwise."
)
def export_(file: Path, everything: bool) -> int:
    """Copy the folder into one file, to keep or to move to another computer. Your data are not in it."""
    options.check_folder(file)
    count, spared = export_home(file.expanduser(), everything=everything, progress=progress_line("Copying"))
    print(f"{count:,} files in {file} ({file_size(file.expanduser().stat().st_size)})")
    if spared:
        print(f"Left out: {file_size(spared)} of packs and the demo set, which are made again (--all copies them too).")
    return 0


@command.command("import")
@click.argument("file", type=options.PATH, metavar="FILE.zip")
def import_(file: Path) -> int:
    """Take over what such a file holds. Nothing that is there is overwritten."""
    came, stayed = import_home(file.expanduser(), progress=progress_line("Copying"))
    print(f"{len(came):,} runs, studies and files came into {home()}.")
    if stayed:
        print(f"{len(stayed):,} were there already and stay as they are, such as {stayed[0]}.")
    return 0
