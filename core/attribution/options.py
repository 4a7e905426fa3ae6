"""Settings that the attribution methods share."""

from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Literal, get_args

from core.data.store import PATCH_SIZE
from core.errors import ConfigError

Baseline = Literal["white", "blur", "black"]


@dataclass(frozen=True, kw_only=True)
class AttributionOptions:
    """Settings of an attribution; each method reads only those that it uses.

    Attributes:
        steps: Points on the way from baseline to patch (Integrated Gradients).
        noise_samples: Noisy copies (SmoothGrad, GradientSHAP).
        noise_std: Standard deviation of the noise, in pixel units of [0, 1].
        occlusion_window: Side of the covering square, in pixels.
        occlusion_stride: Step of the covering square, in pixels; at most the window, so that every pixel is
            covered.
        baseline: What stands for absent tissue: ``white`` is blank glass, ``blur`` the patch without detail
            (Gaussian, sigma 8 px), ``black`` zeros, which no slide ever shows.
        symmetries: Average over the eight flips and rotations, each mapped back; eight times the cost.
        seed: Start of the private noise; the global random state is never touched.
        internal_batch: Patches in one pass of the network at most, which bounds memory.

    Raises:
        ConfigError: A value is out of its range.
    """

    steps: int = 32
    noise_samples: int = 16
    noise_std: float = 0.1
    occlusion_window: int = 16
    occlusion_stride: int = 8
    baseline: Baseline = "white"
    symmetries: bool = False
    seed: int = 0
    internal_batch: int = 16

    def __post_init__(self) -> None:
        for name, low, high in (
            ("steps", 1, 1000),
            ("noise_samples", 1, 1000),
            ("occlusion_window", 1, PATCH_SIZE),
            ("occlusion_stride", 1, self.occlusion_window),
            ("seed", 0, 2**63 - 1),
            ("internal_batch", 1, 4096),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise ConfigError(
                    f"The attribution option {name} must be a whole number from {low} to {high}, got {value!r}."
                )
        if not (isfinite(self.noise_std) and 0 <= self.noise_std <= 1):
            raise ConfigError(f"The attribution option noise_std must be 0 to 1, got {self.noise_std!r}.")
        if self.baseline not in get_args(Baseline):
            raise ConfigError(f"The attribution option baseline must be white, blur or black, got {self.baseline!r}.")

    def to_json(self) -> dict[str, Any]:
        """Return the settings as a dict that JSON can hold."""
        return asdict(self)
