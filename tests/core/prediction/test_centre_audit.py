import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.attribution.result import CENTRE_CHANCE
from core.errors import EvaluationError
from core.prediction.centre_audit import audit_centre, blanked, without_pieces
from core.prediction.predictor import Predictions, as_input


class Reader(nn.Module):
    """Its logit is the mean red of the centre, of the rim, or of neither, and linear: attributions are exact."""

    def __init__(self, centre: float, rim: float):
        super().__init__()
        mask = torch.full((96, 96), rim / (96 * 96 - 32 * 32))
        mask[32:64, 32:64] = centre / (32 * 32)
        self.register_buffer("mask", mask)

    def forward(self, pixels: Tensor) -> Tensor:
        return 20 * ((pixels[:, 0] - 0.5) * self.mask).sum(dim=(1, 2))


class Asked:
    """A predictor around a reader."""

    def __init__(self, centre: float, rim: float):
        self.module = Reader(centre, rim).eval()

    def seen(self, pixels):
        return pixels

    def predict(self, pixels, *, progress=None):
        with torch.inference_mode():
            logits = self.module(as_input(pixels, torch.device("cpu"))).numpy()
        if progress is not None:
            progress(1.0)
        return Predictions(logits, 1 / (1 + np.exp(-logits.astype(np.float64))), 0.5)


@pytest.fixture
def patches() -> np.ndarray:
    """Forty patches whose centre and rim are red or not, independently."""
    rng = np.random.default_rng(0)
    pixels = np.where(rng.random((40, 1, 1, 1)) < 0.5, 40, 210).astype(np.uint8) * np.ones((1, 96, 96, 3), np.uint8)
    pixels[:, 32:64, 32:64] = np.where(rng.random((40, 1, 1, 1)) < 0.5, 40, 210)
    return pixels


@pytest.mark.parametrize(("centre", "rim", "verdict"), [(1.0, 0.0, "centre"), (0.0, 1.0, "rim")])
def test_who_reads_the_rim_is_called_out(patches: np.ndarray, centre: float, rim: float, verdict: str) -> None:
    audit = audit_centre(Asked(centre, rim), patches, fill="white")
    assert audit.verdict == verdict
    read, unread = (
        (audit.without_rim, audit.without_centre) if verdict == "centre" else (audit.without_centre, audit.without_rim)
    )
    np.testing.assert_allclose(read, audit.probabilities, atol=1e-6)  # what is not read may be painted over
    np.testing.assert_allclose(unread, 1 / (1 + np.exp(-10)), atol=1e-4)  # all read is white: 20 * (1 - 0.5)
    assert ("Do not trust" in audit.sentence) == (verdict == "rim")


def test_a_network_that_looks_nowhere_has_no_verdict(patches: np.ndarray) -> None:
    assert audit_centre(Asked(0.0, 0.0), patches).verdict == "unknown"


def test_a_few_patches_have_no_verdict(patches: np.ndarray) -> None:
    audit = audit_centre(Asked(1.0, 0.0), patches[:5])
    assert audit.verdict == "unknown"
    assert "too few patches (5)" in audit.sentence


def test_the_share_of_the_map_is_exact_for_a_linear_network(patches: np.ndarray) -> None:
    shares: list[float] = []
    audit = audit_centre(Asked(1.0, 3.0), patches, method="saliency", maps=3, progress=shares.append)
    np.testing.assert_allclose(audit.shares, 0.25, atol=1e-5)
    assert shares[-1] == pytest.approx(1.0)
    assert shares == sorted(shares)
    assert pytest.approx(32 * 32 / 96**2) == CENTRE_CHANCE


def test_blanking_paints_exactly_one_side(patches: np.ndarray) -> None:
    without_centre, without_rim = blanked(patches, fill="mean")
    rim = np.ones((96, 96), bool)
    rim[32:64, 32:64] = False
    np.testing.assert_array_equal(without_centre[:, rim], patches[:, rim])
    np.testing.assert_array_equal(without_rim[:, ~rim], patches[:, ~rim])
    mean = patches.mean(axis=(1, 2)).round()
    np.testing.assert_array_equal(without_centre[:, 48, 48], mean)
    np.testing.assert_array_equal(without_rim[:, 0, 0], mean)


def test_the_eight_pieces_cover_the_rim_once_and_never_the_centre(patches: np.ndarray) -> None:
    changed = np.zeros((96, 96), int)
    for copy in without_pieces(patches[:1] // 2, fill="white"):
        changed += (copy[0] != patches[0] // 2).any(axis=2)
    assert (changed[32:64, 32:64] == 0).all()
    assert changed.sum() == 96 * 96 - 32 * 32
    assert changed.max() == 1


def test_a_model_that_reads_all_places_alike_relies_on_the_centre_no_more(patches: np.ndarray) -> None:
    """A network that sums a flat picture: every piece weighs the same, to the last digit."""
    flat = np.broadcast_to(patches[:, :1, :1], patches.shape).copy()
    audit = audit_centre(Asked(1.0, 8.0), flat, fill="white")
    np.testing.assert_allclose(audit.centre_effect, audit.piece_effect, atol=1e-6)


def test_nothing_to_audit_is_said() -> None:
    with pytest.raises(EvaluationError, match="no patches"):
        audit_centre(Asked(1.0, 0.0), np.empty((0, 96, 96, 3), np.uint8))
