"""Which labels are probably wrong: confident learning on out-of-fold probabilities.

Source: Northcutt, Jiang & Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", Journal of Artificial
Intelligence Research 70, 2021. A patch counts confidently for a class where its probability of the class reaches the
mean probability of the patches labelled so. Counting them by given and confident class (the confident joint) estimates
how many labels of each class are wrong; that number with the largest margin against their label is marked.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import EvaluationError


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """What confident learning finds in labels.

    Attributes:
        quality: float64 (n,), the normalised margin: probability of the given class minus that of the other, each less
            its class's threshold. From about -1, surely wrong, to about 1.
        order: int64 (n,), positions with the most suspicious first.
        suspect: bool (n,); as many of each class as its estimated errors, those with the lowest quality.
        thresholds: (normal, tumour), mean probability of a class over the patches labelled so.
        joint: float64 2×2, estimated patches by given (row) and true (column) label; sums to n.
    """

    quality: npt.NDArray[np.float64]
    order: npt.NDArray[np.int64]
    suspect: npt.NDArray[np.bool_]
    thresholds: tuple[float, float]
    joint: npt.NDArray[np.float64]

    @property
    def errors(self) -> int:
        """Estimated number of wrong labels."""
        return round(float(self.joint[0, 1])) + round(float(self.joint[1, 0]))


def find_label_errors(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> LabelErrors:
    """Rank labels by how likely they are wrong.

    Args:
        labels: 0 or 1 (n,), as given.
        probabilities: of label 1 (n,), each by a model that has not seen that patch's label.

    Raises:
        EvaluationError: lengths differ, a value is out of range, or a class is missing.
    """
    label, tumour = _checked(labels, probabilities)
    classes = np.stack([1 - tumour, tumour], axis=1)
    thresholds = np.array([classes[label == each, each].mean() for each in (0, 1)])
    rows = np.arange(len(label))
    above = classes - thresholds
    quality = above[rows, label] - above[rows, 1 - label]
    joint = _joint(label, classes, thresholds)
    suspect = np.zeros(len(label), bool)
    for given in (0, 1):
        of_class = np.flatnonzero(label == given)
        wrong = round(float(joint[given, 1 - given]))
        suspect[of_class[np.argsort(quality[of_class], kind="stable")[:wrong]]] = True
    order = np.argsort(quality, kind="stable").astype(np.int64)
    return LabelErrors(quality, order, suspect, (float(thresholds[0]), float(thresholds[1])), joint)


def _joint(
    label: npt.NDArray[np.int64], classes: npt.NDArray[np.float64], thresholds: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the confident joint, scaled so that each row sums to the patches with that label."""
    # The mean of equal probabilities may round to above them, and none of its class would reach it then.
    reached = classes >= thresholds - 1e-12
    confident = np.where(reached, classes, -1.0).argmax(axis=1)
    counts = np.zeros((2, 2))
    np.add.at(counts, (label[reached.any(axis=1)], confident[reached.any(axis=1)]), 1.0)
    given = np.bincount(label, minlength=2)
    for each in (0, 1):
        counts[each] *= given[each] / counts[each].sum()  # never 0: some patch reaches the mean of its class
    return counts


def _checked(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    label, tumour = np.asarray(labels), np.asarray(probabilities, np.float64)
    if label.shape != tumour.shape or label.ndim != 1:
        raise EvaluationError(f"Every label needs one probability; got shapes {label.shape} and {tumour.shape}.")
    if not np.isin(label, (0, 1)).all() or not ((tumour >= 0) & (tumour <= 1)).all():
        raise EvaluationError("Labels must be 0 or 1 and probabilities 0 to 1; got others.")
    if len(np.unique(label)) < 2:
        raise EvaluationError("Label errors can only be found where both classes occur; got one class only.")
    return label.astype(np.int64), tumour
