"""The two small networks, as their publications describe them."""

import pytest
import torch
from torch.nn import functional as F

import models


def _patches(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, 96, 96, generator=torch.Generator().manual_seed(seed))


def test_cross_entropy_of_the_notebook_logit_equals_its_log_softmax_and_nll() -> None:
    torch.manual_seed(0)
    model = models.build("notebook-cnn").eval()
    patches, labels = _patches(6), torch.tensor([0, 1, 1, 0, 1, 0])

    with torch.inference_mode():
        scores = model.classifier(model.features(patches))
        logits = model(patches)

    assert scores.shape == (6, 2)
    torch.testing.assert_close(logits, scores[:, 1] - scores[:, 0])
    published = F.nll_loss(F.log_softmax(scores, dim=1), labels)
    ours = F.binary_cross_entropy_with_logits(logits, labels.float())
    torch.testing.assert_close(ours, published, rtol=1e-6, atol=1e-7)


def test_the_second_score_is_the_tumour() -> None:
    model = models.build("notebook-cnn").eval()
    last = model.classifier[-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor([1.0, 4.0]))

        assert model(_patches(1)).tolist() == [3.0]


@pytest.mark.parametrize("name", ["notebook-cnn", "keras-cnn"])
def test_dropout_acts_in_training_only(name: str) -> None:
    torch.manual_seed(0)
    model = models.build(name)
    patches = _patches(2)

    with torch.inference_mode():
        assert not torch.equal(model.train()(patches), model(patches))
        assert torch.equal(model.eval()(patches), model(patches))


@pytest.mark.parametrize("name", ["notebook-cnn", "keras-cnn", "efficientnet-lite0"])
def test_dropout_is_an_argument(name: str) -> None:
    torch.manual_seed(0)
    model = models.build(name, dropout=0.0).train()
    for norm in [each for each in model.modules() if isinstance(each, torch.nn.BatchNorm2d)]:
        norm.eval()

    with torch.inference_mode():
        assert torch.equal(model(_patches(2)), model(_patches(2)))


def test_keras_weights_are_glorot_uniform_with_zero_bias() -> None:
    torch.manual_seed(0)
    model = models.build("keras-cnn")
    dense = next(layer for layer in model.classifier if isinstance(layer, torch.nn.Linear))
    limit = (6 / (dense.in_features + dense.out_features)) ** 0.5  # Glorot & Bengio 2010, equation 16

    assert (dense.in_features, dense.out_features) == (12_800, 256)
    assert 0.999 * limit < dense.weight.abs().max() <= limit
    assert dense.weight.var().item() == pytest.approx(limit**2 / 3, rel=0.01)
    assert not dense.bias.any()
