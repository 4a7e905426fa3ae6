"""Learning from trained networks: the predictions of teachers beside, or instead of, the label.

The teachers see the very patch that the student sees, with the same random changes: "consistent teaching" of Beyer et
al. 2022 ("Knowledge distillation: a good teacher is patient and consistent", arXiv:2106.05237). Their prediction is the
mean of their probabilities, sigmoid(logit) *before* calibration. As the cross-entropy is linear in its target, learning
from that mean is learning from each of them in equal parts.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from core.bundle import Bundle
from core.errors import TrainingError
from core.stain import StainReference


class Teachers:
    """Some bundles on a device; each brings its own normalisation.

    Attributes:
        bundles: as they were given.

    Args:
        bundles: at least one.
        device: where they predict.
        bf16: predict in bfloat16 where that is safe (autocast), as the student learns.
    """

    def __init__(self, bundles: Sequence[Bundle], *, device: torch.device, bf16: bool = False):
        self.bundles = tuple(bundles)
        self._device, self._bf16 = device, bf16
        self._modules = [bundle.inference_module(device) for bundle in bundles]

    def probabilities(self, images: Tensor) -> Tensor:
        """Return the mean probability of tumour, float32 (N,), of float N×3×96×96 in [0, 1]."""
        cast = torch.autocast(self._device.type, dtype=torch.bfloat16) if self._bf16 else nullcontext()
        with torch.inference_mode(), cast:
            # In float32 before the sigmoid: near 1, bfloat16 has no number between 0.996 and 1.
            predictions = torch.stack([module(images).float().sigmoid() for module in self._modules])
        return predictions.mean(dim=0).clone()  # a plain tensor: one of inference mode may not enter a loss


def check_stains(teachers: Sequence[Bundle], stain: StainReference | None) -> None:
    """See that teachers can be shown what the student is shown, whose stains are normalised to `stain` or not at all.

    Raises:
        TrainingError: a teacher was trained on stains that were normalised in another way.
    """
    for teacher in teachers:
        if teacher.card.stain not in (None, stain):
            raise TrainingError(
                f"The teacher {teacher.card.name} was trained on normalised stains, and this run would show it others. "
                f"Choose the stain normalisation {teacher.card.stain.method!r} with the same reference patch, or "
                "another teacher."
            )


@dataclass(frozen=True)
class Targets:
    """What the patches of a batch teach, and how much.

    Attributes:
        targets: what the label says, float (N,), smoothed; anything where there is no label.
        weights: how much of each patch's loss is towards that, float (N,); 0 where there is no label.
        teaching: how much is towards the teachers' prediction, float (N,); None where there are no teachers.
    """

    targets: Tensor
    weights: Tensor | None = None
    teaching: Tensor | None = None

    def some(self, rows: slice) -> "Targets":
        """Return those of some of the patches."""
        weights = None if self.weights is None else self.weights[rows]
        return Targets(self.targets[rows], weights, None if self.teaching is None else self.teaching[rows])

    def loss(self, logits: Tensor, predictions: Tensor | None = None) -> Tensor:
        """Return the mean over patches of weights · H(target, logit) + teaching · H(prediction, logit).

        H is the binary cross-entropy in nats.

        Args:
            logits: of the student, float (N,).
            predictions: of the teachers, probabilities (N,); None where there are none.
        """
        loss = F.binary_cross_entropy_with_logits(logits, self.targets, weight=self.weights)
        if predictions is None:
            return loss
        return loss + F.binary_cross_entropy_with_logits(logits, predictions, weight=self.teaching)


def targets_of(
    labels: Tensor,
    *,
    smoothing: float = 0.0,
    class_weights: Tensor | None = None,
    distillation: float | None = None,
) -> Targets:
    """Return what patches with these labels are trained towards.

    Args:
        labels: float (N,): 0, 1, or -1 for none.
        smoothing: targets become this much / 2 and 1 - this much / 2.
        class_weights: factor of the label's share of the loss, for normal and tumour patches; float (2,).
        distillation: the teachers' share of the loss of a labelled patch; only they teach an unlabelled one. None
            where there are no teachers.
    """
    known = labels >= 0
    # -1 becomes 0, so that it can be computed with and indexed by; such a patch has the weight 0 below.
    targets = labels.clamp(min=0) * (1 - smoothing) + smoothing / 2
    weights = None if class_weights is None else class_weights[labels.clamp(min=0).long()]
    if distillation is None:
        return Targets(targets, weights)
    share = torch.where(known, 1.0 - distillation, 0.0)
    return Targets(targets, share if weights is None else share * weights, torch.where(known, distillation, 1.0))
