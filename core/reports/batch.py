"""Many patches as one table: the prediction of each, what was done to its image before, and which were refused."""

from core.data import CLASS_NAMES
from core.prediction.batch import ScoredBatch
from core.prediction.ood_warnings import OodWarnings
from core.storage.spreadsheet import lines_csv, plain

# "doubts" is the header of earlier versions; scripts read it.
COLUMNS = ("id", "name", "x", "y", "probability", "verdict", "doubts", "remarks", "refused")

_KINDS = {"blank": "blank", "blur": "blurred", "stain": "not H&E colours", "network": "unlike training patches"}


def ood_summary(ood: OodWarnings | None) -> str:
    """Return the OOD warnings of a patch in short, such as "blurred; not H&E colours"; empty without any."""
    return "; ".join(_KINDS[artifact.kind] for artifact in ood.artifacts) if ood else ""


def table_csv(batch: ScoredBatch, *, threshold: float, left_out: int = 0) -> str:
    """Return the batch as CSV: scored patches in their order, then what was refused with the reason.

    Args:
        batch: the patches.
        threshold: from this probability on the verdict is tumour.
        left_out: files that were not predicted because the work was stopped; the last line says how many.
    """
    rows = [list(COLUMNS)]
    for file in batch.files:
        x, y = ("", "") if file.at is None else map(str, file.at)
        verdict = CLASS_NAMES[int(file.probability >= threshold)]
        remarks = " ".join(file.notes)
        safe = [plain(text) for text in (file.id, file.name)]
        rows.append([*safe, x, y, repr(file.probability), verdict, ood_summary(file.ood), plain(remarks), ""])
    rows += [["", plain(each.name), "", "", "", "", "", "", plain(each.reason)] for each in batch.problems]
    if left_out:
        rows.append(["", "", "", "", "", "", "", "", f"{left_out} more files: stopped before they were predicted"])
    return lines_csv(rows)


def probabilities_csv(batch: ScoredBatch) -> str:
    """Return ``id,probability`` lines; probabilities as the shortest text that reads back to the same bits."""
    return lines_csv([("id", "probability"), *((plain(file.id), repr(file.probability)) for file in batch.files)])
