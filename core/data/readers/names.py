"""What names of classes, folders and columns tell."""

# fmt: off
TUMOUR = frozenset({
    "1", "1.0", "true", "yes", "pos", "positive", "tumor", "tumour", "tumors", "tumours", "tumoral", "tum", "malignant",
    "malignancy", "cancer", "cancerous", "carcinoma", "metastasis", "metastases", "metastatic",
})
NORMAL = frozenset({
    "0", "0.0", "false", "no", "neg", "negative", "normal", "norm", "benign", "healthy", "nontumor", "nontumour",
    "nonmalignant", "noncancer", "noncancerous", "notumor", "notumour", "nometastasis",
})
UNLABELLED = frozenset({"", "unlabelled", "unlabeled", "unknown", "nan", "none", "na", "?"})
# fmt: on
"""Names that say so themselves, in lower case without blanks, hyphens and underscores."""

MISSING = -1
"""Stands for no label."""

SPLIT_OF = {
    "train": "train", "training": "train", "trainset": "train",
    "valid": "valid", "val": "valid", "validation": "valid", "dev": "valid", "tune": "valid",
    "test": "test", "testing": "test", "testset": "test", "holdout": "test",
}  # fmt: skip
"""The split that the name of a folder (or of a file, or in a table) tells, in lower case."""


def known_label(name: str) -> int | None:
    """Return the label that the name of a class tells: 0, 1, -1 for no label, or None where it tells none.

    Example:
        >>> [known_label(each) for each in ("Tumor", "non-tumor", "unlabelled", "LYM")]
        [1, 0, -1, None]
    """
    plain = "".join(letter for letter in name.casefold() if letter not in " _-")
    if name.strip() == "-1":
        return MISSING
    return 1 if plain in TUMOUR else 0 if plain in NORMAL else MISSING if plain in UNLABELLED else None
