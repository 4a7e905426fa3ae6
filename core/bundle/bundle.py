"""The bundle: one .safetensors file with weights and, in its header, everything else that a prediction needs.

The header's metadata has the entries ``format`` ("nodescope.bundle"), ``version`` and ``card`` (JSON). Weights may be
stored as float16, half the size; they are computed with as float32. A bundle may also hold an OOD model: the
entry ``familiarity`` (JSON) and tensors whose names begin with ``familiarity.``. The entry ``sha256`` shows changes. No
pickle is ever read.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import nn

import models
from core.bundle.card import Card
from core.bundle.card_schema import CARD
from core.bundle.ood import PREFIX, OodModel
from core.bundle.package import check_package, remedy
from core.bundle.shipped import SHIPPED, bundle_file
from core.errors import BundleError
from core.formatting import file_size, printable
from core.storage import atomic
from core.storage.roots import require_allowed
from core.storage.schema import Anything, Named, parse

FORMAT = "nodescope.bundle"
VERSION = 1
STAIN_VERSION = 2
"""Of bundles with stain normalisation: an earlier Nodescope would predict without it, so it has to refuse them."""

CHECKSUM = "sha256"
"""Entry of the metadata: SHA-256 of the file as it is without this entry. Bundles of earlier versions have none."""

LARGEST_FILE = 1_000_000_000
"""Bytes; ten times the largest network of the registry."""

LARGEST_HEADER = 4_000_000
"""Bytes; a card has some 15 kB, the names of the tensors as much."""

_STORED = {torch.float16, torch.bfloat16, torch.float32, torch.int64}


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
        check_package(self.card)
        try:
            self._check_fit()
            network = models.build(self.card.model, **self.card.arguments)
            network.load_state_dict({name: _computed(value) for name, value in self.weights.items()})
        except models.UnknownModelError as error:
            raise BundleError(f"The bundle needs a network that this version does not have: {error}") from error
        except RuntimeError as error:
            raise BundleError(f"The bundle's weights do not fit its network {self.card.model!r}: {error}") from error
        return models.Normalised(network, mean=self.card.mean, std=self.card.std).eval()

    def _check_fit(self) -> None:
        """See that the weights are those of the network, before memory is taken for it: it may be of any size."""
        with torch.device("meta"):
            own = models.build(self.card.model, **self.card.arguments).state_dict()
        for name in sorted(own.keys() | self.weights.keys()):
            expected, found = (_kind(each.get(name)) for each in (own, self.weights))
            if expected != found:
                raise BundleError(
                    f"The bundle's weights do not fit its network {self.card.model!r}: {name} is {found} in the file "
                    f"and {expected} in the network. {remedy(self.card)}"
                )

    def inference_module(self, device: torch.device) -> nn.Module:
        """Return :meth:`network` in its fastest form: on `device`, channels last, norms folded, without gradients.

        Raises:
            BundleError: as :meth:`network` does; or the weights are such that norms cannot be folded.
        """
        network = self.network()
        folded = models.fold(network)
        if self.card.package is not None and not models.agree(network, folded):
            folded = network  # its norms do not stand right behind the convolutions that they seem to belong to
        if not all(value.isfinite().all() for value in folded.state_dict().values()):
            # Each is finite by itself, which load_bundle() saw to; so a variance is negative or a product overflows.
            raise BundleError(
                f"{self.card.name} cannot predict: its weights and their normalisation give numbers that are not "
                "finite. The file is damaged or its training diverged; copy it again, or choose another model."
            )
        folded = folded.to(device)
        return folded.to(memory_format=torch.channels_last).requires_grad_(False)

    def save(self, path: Path) -> None:
        """Write the bundle atomically. Raises :class:`core.errors.StorageError`."""
        atomic.write_bytes(path, self.to_bytes())

    @cached_property
    def digest(self) -> str:
        """The first 12 hex digits of the checksum: names exactly these weights and this card."""
        return _checksum(self._content())[:12]

    def to_bytes(self) -> bytes:
        """Return the content of the file that :meth:`save` writes.

        Raises:
            BundleError: the card holds what could not be read back.
        """
        content = self._content()
        return _in_order(content, **{CHECKSUM: _checksum(content)})

    def _content(self) -> bytes:
        """Return the file without its checksum, as earlier versions wrote it."""
        try:
            # As it will be read, so that nothing is written that is then refused.
            card = CARD.read(parse(json.dumps(self.card.to_json(), allow_nan=False)), "")
        except ValueError as error:
            raise BundleError(f"The bundle cannot be written: in its card {error}.") from error
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.weights.items()}
        text = json.dumps(card, allow_nan=False, ensure_ascii=False, sort_keys=True)
        metadata = {
            "format": FORMAT,
            "version": str(VERSION if self.card.stain is None else STAIN_VERSION),
            "card": text,
        }
        if self.ood_model is not None:
            tensors |= self.ood_model.tensors()
            metadata["familiarity"] = self.ood_model.header()
        return to_bytes(tensors, metadata=metadata)


def load_bundle(path: str | Path | None = None) -> Bundle:
    """Read a bundle.

    Args:
        path: of the file, or a name in :data:`core.bundle.shipped.SHIPPED`; None is the default one of these.

    Raises:
        BundleError: there is no such file, it is no bundle, damaged, or of a newer format; or it holds a number that is
            not finite, or one out of its range.
    """
    path = bundle_file(path)
    if path not in SHIPPED.values():
        require_allowed(path)
    if not path.is_file():
        raise BundleError(
            f"There is no bundle at {path}. A finished run leaves one in its folder, bundle.safetensors; with "
            f"Nodescope come {' and '.join(SHIPPED)}."
        )
    data, name = _content_of(path), printable(path.name)
    try:
        metadata = _metadata(data)
        _check_format(name, metadata)
        tensors = from_bytes(data)
        if CHECKSUM in metadata and metadata[CHECKSUM] != _checksum(data):
            raise ValueError("it was changed after it was written")
        card = Card.from_json(parse(metadata["card"]))
    # The last two are what the library lets through of kinds of numbers that it, or PyTorch, does not know.
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise BundleError(
            f"{name} is damaged or no bundle ({printable(str(error))[:300]}). Copy it again from where it came."
        ) from error
    _check_numbers(name, tensors)
    weights = {name: value for name, value in tensors.items() if not name.startswith(PREFIX)}
    parts = {name: value for name, value in tensors.items() if name.startswith(PREFIX)}
    return Bundle(card, weights, OodModel.from_parts(metadata.get("familiarity"), parts))


def read_card(path: Path) -> Card:
    """Return the card of a bundle, without a look at the weights behind it: for lists of many.

    Raises:
        BundleError: there is no such file, it is no bundle, or its header is damaged.
    """
    name = printable(path.name)
    try:
        with path.open("rb") as file:
            length = file.read(8)
            metadata = _metadata(length + file.read(min(int.from_bytes(length, "little"), LARGEST_HEADER)))
        _check_format(name, metadata)
        return Card.from_json(parse(metadata["card"]))
    except OSError as error:
        raise BundleError(f"{name} cannot be read: {error.strerror or error}.") from error
    except (ValueError, KeyError) as error:
        raise BundleError(f"{name} is damaged or no bundle ({printable(str(error))[:300]}).") from error


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


def _in_order(data: bytes, **entries: str) -> bytes:
    """Return a safetensors file with the keys of its header sorted, and with `entries` instead of a checksum.

    The library writes the metadata in an order that changes from call to call, and the same bundle would then have
    another digest each time. Source of the layout: the format's own description (8 bytes of length, JSON, tensors; the
    header padded with spaces to a multiple of 8).
    """
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    kept = {name: value for name, value in header["__metadata__"].items() if name != CHECKSUM}
    header["__metadata__"] = kept | entries
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[start:]


def _checksum(data: bytes) -> str:
    return hashlib.sha256(_in_order(data)).hexdigest()


def _kind(value: torch.Tensor | None) -> str:
    """Return what must be the same in a network and in the weights for it."""
    if value is None:
        return "missing"
    return f"{'×'.join(map(str, value.shape)) or 'one'} {'decimal' if value.is_floating_point() else 'whole'} numbers"


def _computed(value: torch.Tensor) -> torch.Tensor:
    return value.float() if value.dtype == torch.float16 else value


def _content_of(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise BundleError(
                f"{printable(path.name)} has {file_size(path.stat().st_size)}, more than a bundle can "
                f"({file_size(LARGEST_FILE)}); give the file bundle.safetensors of a finished run."
            )
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{printable(path.name)} cannot be read: {error.strerror or error}.") from error


def _metadata(data: bytes) -> dict[str, str]:
    """Return the metadata of a safetensors file. Raises ``ValueError`` where its header is damaged."""
    length = int.from_bytes(data[:8], "little")
    if not 2 <= length <= min(len(data) - 8, LARGEST_HEADER):
        raise ValueError("its header does not fit into it")
    header = parse(data[8 : 8 + length])
    metadata: dict[str, str] = header.pop("__metadata__", {}) if isinstance(header, dict) else {}
    if Named(Anything()).read(header, "its header").keys() != header.keys():
        raise ValueError("a tensor has a name that cannot be printed")
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("its metadata are no texts")
    return metadata


def _check_format(name: str, metadata: dict[str, str]) -> None:
    if metadata.get("format") != FORMAT:
        raise BundleError(f"{name} is a safetensors file, but no Nodescope bundle: its header has no card.")
    if metadata.get("version") not in (str(VERSION), str(STAIN_VERSION)):
        raise BundleError(
            f"{name} has format version {printable(metadata.get('version', ''))[:20]}; this Nodescope reads up to "
            f"{STAIN_VERSION}; update it."
        )


def _check_numbers(name: str, tensors: dict[str, torch.Tensor]) -> None:
    for tensor, value in tensors.items():
        if value.dtype not in _STORED:
            raise BundleError(
                f"{name} is damaged: {tensor} holds {str(value.dtype).removeprefix('torch.')}, which no weight is "
                "stored as. Copy it again from where it came."
            )
        broken = value.numel() - int(value.isfinite().sum())
        if broken:
            raise BundleError(
                f"{name} cannot predict: {broken:,} of the {value.numel():,} numbers of {tensor} are not finite (NaN "
                "or infinity). The file is damaged or its training diverged; copy it again, or choose another model."
            )
