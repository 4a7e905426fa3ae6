"""The bundle: one .safetensors file with weights and, in its header, everything else that a prediction needs.

The header's metadata has the entries ``format`` ("nodescope.bundle"), ``version`` and ``card`` (JSON). Weights may be
stored as float16, half the size; they are computed with as float32. A bundle may also hold an OOD model: the
entry ``familiarity`` (JSON) and tensors whose names begin with ``familiarity.``. No pickle is ever read.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import nn

import models
from core.bundle.card import Card
from core.bundle.ood import PREFIX, OodModel
from core.bundle.shipped import SHIPPED, bundle_file
from core.errors import BundleError
from core.storage import atomic

FORMAT = "nodescope.bundle"
VERSION = 1


@dataclass(frozen=True)
class Bundle:
    """A card and the weights that it describes.

    Attributes:
        card: everything but the weights.
        weights: the network's state, as it is stored.
        ood_model: the distribution of its training patches' features, or None where it was not fitted.
    """

    card: Card
    weights: dict[str, torch.Tensor]
    ood_model: OodModel | None = None

    def network(self) -> nn.Module:
        """Return a new module, float32, in evaluation mode, from pixels in [0, 1] (N×3×96×96) to the logit (N,).

        Raises:
            BundleError: this version has no such network, or the weights do not fit it.
        """
        try:
            network = models.build(self.card.model, **self.card.arguments)
            network.load_state_dict({name: _computed(value) for name, value in self.weights.items()})
        except models.UnknownModelError as error:
            raise BundleError(f"The bundle needs a network that this version does not have: {error}") from error
        except RuntimeError as error:
            raise BundleError(f"The bundle's weights do not fit its network {self.card.model!r}: {error}") from error
        return models.Normalised(network, mean=self.card.mean, std=self.card.std).eval()

    def inference_module(self, device: torch.device) -> nn.Module:
        """Return :meth:`network` in its fastest form: on `device`, channels last, norms folded, without gradients.

        Raises:
            BundleError: as :meth:`network` does.
        """
        folded = models.fold(self.network()).to(device)
        return folded.to(memory_format=torch.channels_last).requires_grad_(False)

    def save(self, path: Path) -> None:
        """Write the bundle atomically. Raises :class:`core.errors.StorageError`."""
        atomic.write_bytes(path, self.to_bytes())

    @cached_property
    def digest(self) -> str:
        """The first 12 hex digits of the SHA-256 of the file: names exactly these weights and this card."""
        return hashlib.sha256(self.to_bytes()).hexdigest()[:12]

    def to_bytes(self) -> bytes:
        """Return the content of the file that :meth:`save` writes."""
        card = json.dumps(self.card.to_json(), allow_nan=False, ensure_ascii=False, sort_keys=True)
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.weights.items()}
        metadata = {"format": FORMAT, "version": str(VERSION), "card": card}
        if self.ood_model is not None:
            tensors |= self.ood_model.tensors()
            metadata["familiarity"] = self.ood_model.header()
        return _in_order(to_bytes(tensors, metadata=metadata))


def load_bundle(path: str | Path | None = None) -> Bundle:
    """Read a bundle.

    Args:
        path: of the file, or a name in :data:`core.bundle.shipped.SHIPPED`; None is the default one of these.

    Raises:
        BundleError: there is no such file, it is no bundle, damaged, or of a newer format.
    """
    path = bundle_file(path)
    if not path.is_file():
        raise BundleError(
            f"There is no bundle at {path}. A finished run leaves one in its folder, bundle.safetensors; with "
            f"Nodescope come {' and '.join(SHIPPED)}."
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            _check_format(path, metadata)
            card = Card.from_json(json.loads(metadata["card"]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
    except (SafetensorError, json.JSONDecodeError, KeyError, OSError) as error:
        raise BundleError(
            f"{path.name} is damaged or no bundle ({error}). Copy it again from where it came."
        ) from error
    weights = {name: value for name, value in tensors.items() if not name.startswith(PREFIX)}
    header = metadata.get("familiarity")
    return Bundle(card, weights, None if header is None else OodModel.from_parts(header, tensors))


def halve(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return `state` with float32 tensors rounded to float16, half the size on disk.

    Raises:
        BundleError: a weight is too large for float16 or not finite.
    """
    halved = {name: value.half() if value.dtype == torch.float32 else value for name, value in state.items()}
    broken = [name for name, value in halved.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise BundleError(f"The weights {', '.join(broken[:3])} are not finite in float16; the training diverged.")
    return halved


def _in_order(data: bytes) -> bytes:
    """Return a safetensors file with the keys of its header sorted.

    The library writes the metadata in an order that changes from call to call, and the same bundle would then have
    another digest each time. Source of the layout: the format's own description (8 bytes of length, JSON, tensors; the
    header padded with spaces to a multiple of 8).
    """
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:start]), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[start:]


def _computed(value: torch.Tensor) -> torch.Tensor:
    return value.float() if value.dtype == torch.float16 else value


def _check_format(path: Path, metadata: dict[str, str]) -> None:
    if metadata.get("format") != FORMAT:
        raise BundleError(f"{path.name} is a safetensors file, but no Nodescope bundle: its header has no card.")
    if not metadata.get("version", "").isdigit() or int(metadata["version"]) > VERSION:
        raise BundleError(
            f"{path.name} has format version {metadata.get('version')}; "
            f"this Nodescope reads up to {VERSION}; update it."
        )
