"""What the JSON of a bundle's card may hold: each value with its kind and range."""

from core.data.dataset import SPLITS
from core.data.store import PATCH_SIZE
from core.evaluation import METRICS
from core.evaluation.evaluation import UNITS
from core.stain import METHODS
from core.storage.schema import Anything, Choice, Kind, Listed, Maybe, Named, Number, Table, Text

_COUNT = Number(0, 10**9, whole=True)
_SEED = Number(-(2**63), 2**63 - 1, whole=True)
_SHARE = Number(0, 1)
_PACKAGE = r"[A-Za-z0-9][A-Za-z0-9._+!-]*"  # it is shown in a line to be copied into a terminal
_SHARES = Listed(_SHARE, fewest=1)


def _estimate(low: float, high: float) -> Kind:
    # The ends of an interval may lie beyond what the metric itself can reach; a little more is left for rounding.
    end = Maybe(Number(-1e6, 1e6))
    return Table({"value": Maybe(Number(low - 1e-6, high + 1e-6)), "low": end, "high": end})


_EVALUATION = Table(
    {
        "n": _COUNT,
        "positives": _COUNT,
        "threshold": _SHARE,
        "figures": Table(
            {name: _estimate(-1 if name == "mcc" else 0, 1e4 if name == "nll" else 1) for name in METRICS}
        ),
        "confusion": Table(dict.fromkeys(("tn", "fp", "fn", "tp"), _COUNT)),
        "resampled": Choice(UNITS),
        "resamples": _COUNT,
        "slides": Maybe(_COUNT),
    }
)
_STAIN = Table(
    {"method": Choice(tuple(METHODS))},
    {
        "stains": Listed(Listed(Number(-10, 10), fewest=3, most=3), fewest=2, most=2),
        "strengths": Listed(Number(0, 100), fewest=2, most=2),
        "mean": Listed(Number(-100, 100), fewest=3, most=3),
        "spread": Listed(Number(0, 100), fewest=3, most=3),
    },
)
_CHOICES = Table(
    {},
    {
        "tumour": Listed(Text()),
        "normal": Listed(Text()),
        "size": Choice(("", "mpp", "crop", "resize")),
        "mpp": Maybe(Number(0.01, 100)),
        "enlarge": Choice((False, True)),
    },
)
_SOURCE = Table(
    {
        "name": Text(),
        "kind": Text(),
        "fingerprint": Text(),
        "patches": Table(dict.fromkeys(SPLITS, _COUNT)),
        # A later version may know other rules, so that the rule is read where it is used.
        "split": Table(
            {"kind": Text()},
            {
                "by": Text(),
                "seed": _SEED,
                "valid": _SHARE,
                "test": _SHARE,
                "folds": _COUNT,
                "fold": _COUNT,
                "cuts": Listed(Listed(Number(-1, 2), fewest=3, most=3)),
                "colours": Maybe(
                    Table(
                        {
                            "centres": Listed(Listed(Number(-1e6, 1e6))),
                            "shift": Listed(Number(-1e6, 1e6)),
                            "scale": Listed(Number(1e-9, 1e6)),
                            "held": Listed(_COUNT),
                            "share": _SHARE,
                        }
                    )
                ),
            },
        ),
    },
    {
        "choices": _CHOICES,
        "decisions": Named(_COUNT),
        "thinning": Maybe(Table({"seed": _SEED, "limit": _SHARE})),
    },
)
CARD = Table(
    {
        "name": Text(may_be_empty=False),
        "model": Text(),
        "arguments": Named(Anything()),
        "preprocessing": Table(
            {
                # Of pixels in [0, 1]; a smaller divisor would lift the last bit of a pixel above everything else.
                "mean": Listed(Number(-1e4, 1e4), fewest=3, most=3),
                "std": Listed(Number(1e-4, 1e4), fewest=3, most=3),
            },
            {"size": Choice((PATCH_SIZE,)), "range": Choice(([0, 1],)), "stain": _STAIN},
        ),
        "classes": Listed(Text()),
        # Far beyond what a fit gives, see core.evaluation.calibration.
        "temperature": Number(0.001, 1e4),
        "bias": Number(-1e3, 1e3),
        "threshold": _SHARE,
        "training": Table(
            {},
            {
                "data": Listed(_SOURCE, most=1_000),
                "config": Table(
                    {},
                    {
                        "preset": Text(),
                        "patches": _COUNT,
                        "split_seed": _SEED,
                        "validation_data": Number(1, 1_000, whole=True),
                    },
                ),
                "versions": Named(Text()),
                "minutes": Number(0, 1e9),
                "epoch_kept": _COUNT,
                "left_out": _COUNT,
                "unlabelled": _COUNT,
                "device": Text(),
            },
        ),
        "measured": Listed(
            Table(
                {
                    "data": Text(),
                    "fingerprint": Text(),
                    "part": Choice(("test", "valid")),
                    "evaluation": _EVALUATION,
                }
            ),
            most=1_000,
        ),
        "notes": Listed(Text(10_000), most=1_000),
    },
    {
        "operating": Maybe(
            Table(
                {
                    "thresholds": _SHARES,
                    "sensitivity": _SHARES,
                    "specificity": _SHARES,
                    "positives": Number(1, 10**9, whole=True),
                    "negatives": Number(1, 10**9, whole=True),
                }
            )
        ),
        "package": Table({"name": Text(pattern=_PACKAGE), "version": Text(pattern=_PACKAGE)}),
        "slide_threshold": Maybe(_SHARE),
    },
)
"""Bundles are checked by it when they are read and when they are written."""
