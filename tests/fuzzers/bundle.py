"""Damaged bundles: each is refused in a sentence, or answers as the intact one does.

Two sorts of damage. What happens to a file on its way (bits, blocks, a cut) is done to the bytes, and its checksum has
to show it. What a program or a person writes (NaN in a weight, a threshold of 5, a thousand levels of JSON) is done to
its content and written without a checksum, as bundles of earlier versions have none; ranges and kinds have to show it.
"""

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save

from core.bundle import load_bundle
from core.bundle.shipped import SHIPPED
from core.commands.info import describe
from core.errors import NodescopeError
from core.prediction import Predictor, examine
from core.prediction.result import predict_patch

Random = np.random.Generator

NAME = "bundle.safetensors"
intact: dict[Path, Path] = {}
"""Damaged copy -> what it is a copy of."""

DEEP = "[" * 100_000 + "]" * 100_000
WRONG: tuple[str, ...] = (
    "NaN", "Infinity", "-Infinity", "1e999", "1e308", "-1e308", "9" * 5_000, "-1e99", '"x"', '"\\u001b[31mred"',
    '"\\ud800"', '"²"', "[]", "{}", "[null]", "[[]]", '{"a": 1}', "true", DEEP, "[" * 200 + "]" * 200,
    '"' + "x" * 20_000 + '"', '{"a": 1, "a": 2}',
)  # fmt: skip
"""JSON that stands in no place of a card, but for texts in a few; none of them is a number that could be right."""

PLACES: dict[str, tuple[str, ...]] = {
    "temperature": ("0", "-1", "1e-320", "null", "true"),
    "threshold": ("5", "-1", "-1e-300", "null", '"0.5"'),
    "bias": ("null", '"0"', "1e308"),
    "preprocessing.std": ("[0, 1, 1]", "[-1, 1, 1]", "[1, 1]", "[1e-320, 1, 1]", "[NaN, 1, 1]"),
    "preprocessing.mean": ("[0, 0]", "[0, 0, 0, 0]", "[null, 0, 0]", '["0", 0, 0]'),
    "preprocessing.size": ("224", "96.5"),
    "classes": ('["tumour", "normal"]', "[0, 1]", "[]"),
    "model": ('"vgg"', '"resnet18"', '""', "null", "[]"),
    "arguments": ('{"name": "x"}', '{"side": 1000000000}', '{"dropout": 7}', '{"dropout": "x"}', "[]", '{"side": 96.5}',
                  '{"widths": [4611686018427387904, 1, 1, 1, 1, 1, 1]}'),
    "name": ('""', '" "', "null", "5", "[]"),
    "training.data": ("[1]", "[null]", "{}", '"x"', '[{"kind": []}]', '[{"name": 1}]', DEEP),
    "training.config": ("[]", "5", '{"patches": "all"}', '{"preset": []}'),
    "training.versions": ("[]", '{"torch": {}}'),
    "measured": ('[{"data": "x"}]', "[null]", "{}"),
    "notes": ("[1]", '"x"', "[[]]"),
    "operating": ("[]", '{"thresholds": []}', '{"thresholds": [2], "sensitivity": [1], "specificity": [0]}'),
}  # fmt: skip
"""What is wrong in a certain place."""


CHECKED = True
"""Whether another answer is a defect."""


def place(home: Path) -> Path:
    """Return a folder in a home folder that holds a copy of the smaller bundle that comes with Nodescope."""
    folder = home / "bundles"
    folder.mkdir(exist_ok=True)
    shutil.copy(SHIPPED["nodescope-net"], folder / NAME)
    return folder


def damaged(rng: Random, source: Path, destination: Path) -> str:
    """Write a damaged copy of a bundle, or of that in a folder, and return what was done to it."""
    source, destination = (each / NAME if each.is_dir() else each for each in (source, destination))
    intact[destination] = source
    change = _CHANGES[int(rng.integers(len(_CHANGES)))]
    data, what = change(rng, source.read_bytes())
    destination.write_bytes(data)
    return f"{change.__name__.strip('_')}: {what}"


def attempt(path: Path) -> str:
    """Use a bundle in every way and return "refused: ..." with the sentence, "same" or "changed".

    Whatever else is raised is a defect.
    """
    path = path / NAME if path.is_dir() else path
    try:
        found = answer(path)
    except NodescopeError as error:
        if not all(each.isprintable() or each == "\n" for each in str(error)):
            raise AssertionError(f"the sentence moves the terminal: {error!r}") from error
        return f"refused: {error}"
    return "same" if np.allclose(found, _expected(intact.get(path, path)), rtol=0, atol=1e-6) else "changed"


def answer(path: Path) -> np.ndarray:
    """Return all numbers that a bundle says of some patches, and have all of its texts made."""
    bundle = load_bundle(path)
    texts = [describe(bundle), json.dumps(bundle.card.to_json(), allow_nan=False), bundle.digest]
    if not all(each.isprintable() or each == "\n" for each in "".join(texts)):
        raise AssertionError("control characters in the card")
    predictor = Predictor(bundle, device="cpu")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)
    predictions = predictor.predict(pixels)
    scores = [0.0 if each.ood_score is None else each.ood_score for each in examine(predictor, pixels)]
    result = predict_patch(predictor, pixels[0])
    texts += [result.tta.sentence, result.ood.sentence, result.operating_sentence]
    values = [predictions.logits, predictions.probabilities, predictions.verdicts, scores, [result.probability]]
    return np.concatenate([np.asarray(each, np.float64) for each in values])


@cache
def _expected(source: Path) -> np.ndarray:
    return answer(source)


def _bits(rng: Random, data: bytes) -> tuple[bytes, str]:
    changed = bytearray(data)
    places = rng.integers(0, len(data), int(rng.integers(1, 4)))
    for place in places.tolist():
        changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed), f"flipped at {places.tolist()}"


def _header_bits(rng: Random, data: bytes) -> tuple[bytes, str]:
    changed = bytearray(data)
    place = int(rng.integers(0, 8 + int.from_bytes(data[:8], "little")))
    changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed), f"flipped at {place}"


def _cut(rng: Random, data: bytes) -> tuple[bytes, str]:
    keep = int(rng.choice([0, 4, 8, 9, len(data) - 1, int(rng.integers(len(data)))]))
    return data[:keep], f"only {keep} of {len(data)} bytes"


def _block(rng: Random, data: bytes) -> tuple[bytes, str]:
    start = int(rng.integers(len(data) - 1))
    size = min(int(rng.choice([512, 4096, 65536])), len(data) - start)
    other = int(rng.integers(len(data) - size + 1))
    block, what = (bytes(size), "zeros") if rng.random() < 0.5 else (data[other : other + size], "another place")
    return data[:start] + block + data[start + size :], f"{size} bytes at {start} from {what}"


def _more(rng: Random, data: bytes) -> tuple[bytes, str]:
    more = rng.integers(0, 256, int(rng.integers(1, 100)), dtype=np.uint8).tobytes()
    return (data + more, "bytes at the end") if rng.random() < 0.5 else (more + data, "bytes in front")


def _wrong_value(rng: Random, data: bytes) -> tuple[bytes, str]:
    """Put what is never right into a place of the card that holds a number, a list or a table."""
    metadata, tensors = _parts(data)
    card = json.loads(metadata["card"])
    place = _any(rng, [each for each in _places(card) if not _is_free(each)])
    text = _any(rng, WRONG)
    metadata["card"] = replaced(card, place, text)
    return save(tensors, metadata), f"{'.'.join(map(str, place))} = {text[:40]}"


def _wrong_in_place(rng: Random, data: bytes) -> tuple[bytes, str]:
    metadata, tensors = _parts(data)
    place = _any(rng, list(PLACES))
    text = _any(rng, PLACES[place])
    metadata["card"] = replaced(json.loads(metadata["card"]), place.split("."), text)
    return save(tensors, metadata), f"{place} = {text[:40]}"


def _missing_value(rng: Random, data: bytes) -> tuple[bytes, str]:
    metadata, tensors = _parts(data)
    card = json.loads(metadata["card"])
    place = _any(rng, [each for each in _places(card) if isinstance(each[-1], str)])
    del _holder(card, place)[place[-1]]
    metadata["card"] = json.dumps(card)
    return save(tensors, metadata), f"without {'.'.join(map(str, place))}"


def _wrong_metadata(rng: Random, data: bytes) -> tuple[bytes, str]:
    metadata, tensors = _parts(data)
    name = _any(rng, ["format", "version", "card", "familiarity"])
    value = _any(rng, ["", "²", "1.5", "-1", "9" * 5_000, "\x1b[31m", "null", "[]", "{}", "{", DEEP, '"', "\ufeff{}"])
    metadata[name] = value
    return save(tensors, metadata), f"{name} = {value[:40]!r}"


def _missing_metadata(rng: Random, data: bytes) -> tuple[bytes, str]:
    metadata, tensors = _parts(data)
    name = _any(rng, sorted(metadata))
    del metadata[name]
    return save(tensors, metadata), f"without {name}"


def _wrong_ood(rng: Random, data: bytes) -> tuple[bytes, str]:
    metadata, tensors = _parts(data)
    header = json.loads(metadata["familiarity"])
    name = _any(rng, ["layer", "names", "limits", "patches"])
    text = _any(rng, [*WRONG, "null", "[0]", "[-1]", '""', '"network.no.such"', '["a"]', "[0, 0, 0]"])
    metadata["familiarity"] = replaced(header, [name], text)
    return save(tensors, metadata), f"{name} = {text[:40]}"


def _wrong_number(rng: Random, data: bytes) -> tuple[bytes, str]:
    """Put a number that is not finite into a tensor."""
    metadata, tensors = _parts(data)
    name = _any(rng, sorted(name for name, each in tensors.items() if each.is_floating_point() and each.numel()))
    value = _any(rng, [float("nan"), float("inf"), float("-inf")])
    tensors[name].view(-1)[int(rng.integers(tensors[name].numel()))] = value
    return save(tensors, metadata), f"{value} in {name}"


def _wrong_kind(rng: Random, data: bytes) -> tuple[bytes, str]:
    metadata, tensors = _parts(data)
    name = _any(rng, sorted(name for name, each in tensors.items() if each.is_floating_point()))
    kind = _any(
        rng, [torch.int8, torch.uint8, torch.bool, torch.int64, torch.complex64, torch.float64, torch.float8_e4m3fn]
    )
    tensors[name] = tensors[name].to(kind)
    return save(tensors, metadata), f"{name} as {kind}"


def _wrong_shape(rng: Random, data: bytes) -> tuple[bytes, str]:
    metadata, tensors = _parts(data)
    name = _any(rng, sorted(tensors))
    tensor = tensors[name]
    shapes: list[Callable[[], torch.Tensor]] = [
        lambda: tensor[None],
        lambda: torch.cat([tensor.reshape(-1), tensor.reshape(-1)]),
        lambda: torch.empty(0, dtype=tensor.dtype),
    ]
    tensors[name] = _any(rng, shapes)().contiguous()
    return save(tensors, metadata), f"{name} as {tuple(tensors[name].shape)}"


def _wrong_tensors(rng: Random, data: bytes) -> tuple[bytes, str]:
    metadata, tensors = _parts(data)
    name = _any(rng, sorted(tensors))
    if rng.random() < 0.5:
        del tensors[name]
        return save(tensors, metadata), f"without {name}"
    more = _any(rng, ["extra", f"{name}.more", "familiarity.more", "\x1b[31m", "x" * 2_000, ""])
    tensors[more] = tensors[name].clone()
    return save(tensors, metadata), f"with {more[:40]!r}"


def _wrong_header(rng: Random, data: bytes) -> tuple[bytes, str]:
    """Write another header in front of the tensors."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    name = _any(rng, sorted(header))
    texts = ["null", "[]", DEEP, '{"dtype": "F\\u001b", "shape": [1], "data_offsets": [0, 4]}', "9" * 5_000, "NaN",
             '{"dtype": "F16", "shape": [1000000000000], "data_offsets": [0, 2000000000000]}',
             '{"dtype": "F16", "shape": [-1], "data_offsets": [0, 2]}']  # fmt: skip
    text = replaced(header, [name], _any(rng, texts))
    if rng.random() < 0.2:
        text = text[:-1] + ', "__metadata__": {"format": "nodescope.bundle"}}'
    encoded = text.encode()
    return len(encoded).to_bytes(8, "little") + encoded + data[start:], f"{name} in the header"


_CHANGES: tuple[Callable[[Random, bytes], tuple[bytes, str]], ...] = (
    _bits, _header_bits, _cut, _block, _more, _wrong_value, _wrong_in_place, _missing_value, _wrong_metadata,
    _missing_metadata, _wrong_ood, _wrong_number, _wrong_kind, _wrong_shape, _wrong_tensors, _wrong_header,
)  # fmt: skip


def _parts(data: bytes) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """Return metadata, without the checksum, and tensors."""
    metadata = dict(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"])
    metadata.pop("sha256", None)
    return metadata, load(data)


def _any(rng: Random, items: Any) -> Any:
    return items[int(rng.integers(len(items)))]


def _places(value: Any, before: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of every value in a card."""
    if not isinstance(value, dict | list):
        return [before]
    items = value.items() if isinstance(value, dict) else enumerate(value)
    inner = [each for name, item in items for each in _places(item, (*before, name))]
    return [before, *inner] if before else inner


def _is_free(place: tuple[str | int, ...]) -> bool:
    """Whether a place holds text, or a setting of the training of which only the preset and two more are used."""
    return place[0] in ("intended_use", "arguments") or place[:2] == ("training", "config")


def _holder(value: Any, place: Any) -> Any:
    for name in place[:-1]:
        value = value[name]
    return value


def replaced(value: Any, place: Any, text: str) -> str:
    """Return JSON in which `text`, JSON or not, stands in a place."""
    mark = "the place of the damage"
    _holder(value, place)[place[-1]] = mark
    return json.dumps(value).replace(json.dumps(mark), text)
