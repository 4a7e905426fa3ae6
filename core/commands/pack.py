"""``python -m core pack``: a folder of patches as one memory map."""

import sys
from pathlib import Path

from core.commands import options
from core.commands.output import print_json, progress_line
from core.data import find_pack, make_pack, open_dataset, remove_pack
from core.data.archives import unpack
from core.data.open import recognise
from core.data.pack_workers import available_workers
from core.data.store import rows_by_note

SHOWN = 20
"""How many unreadable patches are named."""


@options.command("pack")
@options.data_or_argument
@options.option("--workers", type=int, metavar="N", help="Processes that read.", show_default="one for each core")
@options.option("--remove", is_flag=True, help="Delete the pack instead.")
@options.option("--unpack", "only_unpack", is_flag=True, help="Unpack a zip, or .h5.gz files, and pack nothing.")
@options.as_json
@options.job
def command(data: str, workers: int | None, remove: bool, only_unpack: bool, as_json: bool, job: Path | None) -> int:
    """Pack a folder into one memory map, which pages and commands then use in its place.

    Ctrl+C or a kill loses nothing: the same command goes on from there. A folder that changed is packed anew. The exit
    status is 1 if patches cannot be read.
    """
    if only_unpack:
        path = Path(data).expanduser()
        if job is not None:
            return options.work_in_job(job, lambda report: unpack(path, progress=report))
        unpack(path, progress=progress_line("Unpacking"))  # unless it was unpacked to read the options
        return 0
    workers = workers or available_workers()
    # raw: a pack is made of the files themselves, whatever an older pack or decisions say of them.
    if job is not None:
        return options.work_in_job(
            job, lambda report: make_pack(open_dataset(data, raw=True), workers=workers, progress=report)
        )
    if remove:
        remove_pack(recognise(data))
        return 0
    dataset = open_dataset(data, raw=True)
    was_there = find_pack(dataset) is not None
    pack = make_pack(dataset, workers=workers, progress=progress_line("Packing", amount=len(dataset)))
    if as_json:
        print_json({"patches": pack.count, "unreadable": len(pack.unreadable), "path": str(pack.path)})
    else:
        rate = f", {pack.count / max(pack.seconds, 0.01):,.0f} patches/s"
        print(f"{pack.count:,} patches in {pack.path}{' (was there already)' if was_there else rate}")
    for row, why in list(pack.unreadable.items())[:SHOWN]:
        print(f"  row {row}: {why}", file=sys.stderr)
    if not as_json:
        for note, rows in rows_by_note(pack.notes or {}).items():
            print(f"{len(rows):,} patches, such as row {rows[0]}: {note}")
    if pack.unreadable:
        print(f"{len(pack.unreadable):,} patches could not be read; they are white in the pack.", file=sys.stderr)
    return 1 if pack.unreadable else 0
