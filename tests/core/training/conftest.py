"""Teachers."""

import pytest
import torch

import models
from core.bundle import Bundle


@pytest.fixture
def other_bundle(tiny_bundle: Bundle) -> Bundle:
    """Another network behind another normalisation."""
    torch.manual_seed(1)
    weights = models.build("notebook-cnn").state_dict()
    return Bundle(tiny_bundle.card.with_changes(name="other", mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7)), weights)
