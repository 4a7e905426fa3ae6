"""The package that a bundle's network comes with: is it here, and in the same version?

The card names it, and nothing of it is imported by that: only what is installed, and registers that very network, is.
"""

import models
from core.bundle.card import Card
from core.errors import BundleError


def check_package(card: Card) -> None:
    """See that the package with the network is here. Raises :class:`BundleError`."""
    foreign = models.FOREIGN.fullmatch(card.model)
    if foreign is None or models.package_of(card.model) is not None:
        return
    name, version = foreign[1], card.package[1] if card.package else ""
    raise BundleError(
        f"{card.name} needs the network {card.model}, which comes with the package {name} {version}".rstrip()
        + f" and is not installed here. If you trust that package, run: pip install {_required(name, version)}"
    )


def remedy(card: Card) -> str:
    """Return what to do about weights that do not fit their network."""
    here = models.package_of(card.model)
    if here is None or card.package in (None, here):
        return "Copy the bundle again."
    name, version = here[0], card.package[1]
    return f"It was made with {name} {version}, and here is {here[1]}; run: pip install {_required(name, version)}"


def _required(package: str, version: str) -> str:
    return f'"{package}=={version}"' if version else package
