"""Many patches as one table to take away."""

import csv

from core.data.dataset import Problem
from core.prediction.artifacts import Artifact
from core.prediction.batch import ScoredBatch, ScoredFile
from core.prediction.ood_warnings import OodWarnings
from core.reports.batch import COLUMNS, table_csv

BATCH = ScoredBatch(
    [
        ScoredFile("a_x6_y4", "a.png (6, 4)", 1.0, 0.75, ("Cropped.", "Turned."), OodWarnings((), 0.2), "a", (6, 4)),
        ScoredFile("=b", "=b.png", -1.0, 0.25, (), OodWarnings((Artifact("blur", 0.1, 0.6, "Blurred."),), None), "=b"),
    ],
    [Problem("c.png", "The file is empty (0 bytes); save or download it again.")],
    3,
)


def test_every_patch_has_its_place_verdict_doubts_and_remarks() -> None:
    rows = list(csv.DictReader(table_csv(BATCH, threshold=0.75).splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert [rows[0][name] for name in ("x", "y", "probability", "verdict", "doubts", "remarks", "refused")] == [
        "6", "4", "0.75", "tumour", "", "Cropped. Turned.", "",
    ]  # fmt: skip
    assert (rows[1]["id"], rows[1]["verdict"], rows[1]["doubts"]) == ("'=b", "normal", "blurred")


def test_what_was_refused_and_what_was_left_out_stands_at_the_end() -> None:
    rows = list(csv.DictReader(table_csv(BATCH, threshold=0.5, left_out=7).splitlines()))
    assert [row["name"] for row in rows[2:]] == ["c.png", ""]
    assert rows[2]["refused"].startswith("The file is empty")
    assert (rows[2]["probability"], rows[2]["verdict"]) == ("", "")
    assert rows[3]["refused"] == "7 more files: stopped before they were predicted"
    assert len(list(csv.DictReader(table_csv(BATCH, threshold=0.5).splitlines()))) == 3
