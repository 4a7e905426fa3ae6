"""Random changes of patches, by known numbers."""

import math

import numpy as np
import pytest
import torch

from core.runs import Augmentation
from core.training.augment import apply, blend, blur, draw, looked_up, move, restain, rotate, symmetries

INVERSE = (0, 3, 2, 1, 4, 5, 6, 7)  # the mirrored turns undo themselves


def _images(count: int = 2, side: int = 96) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def augment(images: torch.Tensor, settings: Augmentation, generator: torch.Generator) -> torch.Tensor:
    return apply(images, draw(len(images), settings, generator))


def test_the_eight_symmetries_are_distinct_and_undone_exactly() -> None:
    images = _images(1, 8)
    results = [symmetry(images, number) for number in range(8)]

    assert len({result.numpy().tobytes() for result in results}) == 8
    assert torch.equal(results[0], images)
    for number, result in enumerate(results):
        assert torch.equal(symmetry(result, INVERSE[number]), images)


def test_the_symmetries_are_closed() -> None:
    images = _images(1, 8)
    known = {symmetry(images, number).contiguous().numpy().tobytes() for number in range(8)}

    for first in range(8):
        for second in range(8):
            assert symmetry(symmetry(images, first), second).contiguous().numpy().tobytes() in known


def symmetry(images: torch.Tensor, number: int) -> torch.Tensor:
    return symmetries(images, torch.full((len(images),), number))


def test_a_number_means_a_turn_and_then_a_flip() -> None:
    images = _images(1)
    for number in range(8):
        turned = torch.rot90(images, number % 4, dims=(2, 3))
        assert torch.equal(symmetry(images, number), turned.flip(3) if number >= 4 else turned)


def test_each_image_gets_its_own_symmetry() -> None:
    images = _images(9)
    which = torch.tensor([3, 0, 7, 7, 1, 2, 4, 5, 6])

    result = symmetries(images, which)

    for image, after, number in zip(images, result, which.tolist(), strict=True):
        assert torch.equal(after, symmetry(image[None], number)[0])


@pytest.mark.parametrize(("degrees", "quarters"), [(0.0, 0), (90.0, 1), (180.0, 2), (-90.0, 3), (270.0, 3)])
def test_a_quarter_turn_equals_rot90(degrees: float, quarters: int) -> None:
    images = _images()

    turned = rotate(images, torch.full((2,), degrees))

    torch.testing.assert_close(turned, torch.rot90(images, quarters, (2, 3)), rtol=0, atol=2e-4)


def test_turning_keeps_the_centre_in_the_centre_and_mirrors_what_comes_in() -> None:
    images = torch.full((1, 3, 96, 96), 0.25)
    images[:, :, 47:49, 47:49] = 1.0

    turned = rotate(images, torch.tensor([45.0]))

    assert turned[0, 0, 47:49, 47:49].min() > 0.8
    assert turned[0, 0, :32].max().item() == pytest.approx(0.25)
    assert turned.min().item() == pytest.approx(0.25)  # nothing black at the corners


def test_no_change_of_stain_is_the_identity() -> None:
    images = _images().clamp(min=1 / 255)

    same = restain(images, torch.ones(2, 2), torch.zeros(2))

    torch.testing.assert_close(same, images, rtol=0, atol=1e-5)


def test_a_shift_of_the_density_multiplies_the_pixels() -> None:
    images = _images().clamp(min=0.05)
    shift = torch.tensor([0.2, -0.1])

    changed = restain(images, torch.ones(2, 2), shift)

    expected = (images * torch.exp(-shift)[:, None, None, None]).clamp(max=1)
    torch.testing.assert_close(changed, expected, rtol=0, atol=1e-5)


def test_a_pixel_of_one_stain_follows_its_own_factor() -> None:
    haematoxylin = torch.tensor([0.650, 0.704, 0.286])  # Ruifrok & Johnston 2001
    haematoxylin = haematoxylin / haematoxylin.norm()
    images = torch.exp(-0.8 * haematoxylin).view(1, 3, 1, 1)

    more = restain(images, torch.tensor([[1.5, 9.0]]), torch.zeros(1))

    torch.testing.assert_close(more.flatten(), torch.exp(-1.2 * haematoxylin), rtol=0, atol=1e-5)


def test_white_stays_white_and_pixels_stay_in_range() -> None:
    white = restain(torch.ones(1, 3, 4, 4), torch.tensor([[3.0, 0.2]]), torch.zeros(1))
    wild = restain(_images(), torch.tensor([[3.0, 0.1], [0.1, 3.0]]), torch.tensor([1.0, -1.0]))

    torch.testing.assert_close(white, torch.ones(1, 3, 4, 4))
    assert wild.isfinite().all()
    assert 0 <= wild.min() <= wild.max() <= 1


def test_a_seed_decides_and_the_batch_is_not_changed() -> None:
    images = _images(4)
    before = images.clone()
    settings = Augmentation(stain=0.2, brightness=0.1, rotation=20)

    def draw(seed: int) -> torch.Tensor:
        return augment(images, settings, torch.Generator().manual_seed(seed))

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert torch.equal(images, before)


def test_nothing_asked_for_is_nothing_changed() -> None:
    images = _images()

    assert torch.equal(augment(images, Augmentation(symmetries=False), torch.Generator()), images)


def test_the_factors_have_the_asked_for_spread() -> None:
    images = torch.full((2000, 3, 1, 1), 0.5)
    generator = torch.Generator().manual_seed(0)

    changed = augment(images, Augmentation(symmetries=False, brightness=0.05), generator)

    shift = torch.log(images / changed)[:, 0, 0, 0]
    assert shift.std().item() == pytest.approx(0.05, rel=0.06)
    assert abs(shift.mean().item()) < 4 * 0.05 / math.sqrt(2000)


def test_no_blur_is_the_identity_and_one_colour_stays() -> None:
    images = _images()

    torch.testing.assert_close(blur(images, torch.zeros(2)), images, rtol=0, atol=1e-6)
    plain = torch.full((1, 3, 96, 96), 0.3)
    torch.testing.assert_close(blur(plain, torch.tensor([2.0])), plain, rtol=0, atol=1e-6)


def test_a_point_becomes_a_gaussian_of_its_own_width() -> None:
    images = torch.zeros(2, 3, 96, 96)
    images[:, :, 48, 48] = 1.0

    spread = blur(images, torch.tensor([1.0, 2.0]))

    place = torch.arange(96.0) - 48
    for number, sigma in enumerate((1.0, 2.0)):
        rows = spread[number, 1].sum(dim=1)
        assert rows.sum().item() == pytest.approx(1.0, abs=1e-5)
        assert (rows * place).sum().item() == pytest.approx(0.0, abs=1e-4)
        assert (rows * place**2).sum().item() == pytest.approx(sigma**2, rel=0.03)
    ratio = spread[0, 0, 48, 49] / spread[0, 0, 48, 48]
    assert ratio.item() == pytest.approx(math.exp(-0.5), rel=1e-4)


def test_cutout_takes_a_square_of_the_mean_colour_and_never_a_pixel_of_the_centre() -> None:
    images = _images(200)
    settings = Augmentation(symmetries=False, cutout=1.0)

    changed = augment(images, settings, torch.Generator().manual_seed(0))

    differs = (changed != images).any(dim=1)
    assert not differs[:, 32:64, 32:64].any()
    assert differs.sum(dim=(1, 2)).tolist() == [24 * 24] * 200
    assert differs.any(dim=0).sum() > 7000  # of the 8,192 pixels around the centre
    row, column = divmod(int(differs[0].flatten().nonzero()[0]), 96)
    torch.testing.assert_close(changed[0, :, row, column], images[0].mean(dim=(1, 2)))


def test_cutout_strikes_the_asked_for_share() -> None:
    images = _images(400)

    changed = augment(images, Augmentation(symmetries=False, cutout=0.25), torch.Generator().manual_seed(0))

    struck = (changed != images).flatten(1).any(dim=1).float().mean().item()
    assert abs(struck - 0.25) < 3 * math.sqrt(0.25 * 0.75 / 400)


def test_a_moved_patch_brings_other_tissue_into_the_centre_and_mirrors_at_the_edge() -> None:
    ramp = torch.arange(96.0).expand(1, 3, 96, 96) / 95  # 0 at the left, 1 at the right

    right, up = move(ramp, torch.tensor([[32, 0]])), move(ramp.transpose(2, 3), torch.tensor([[0, -32]]))

    expected = torch.cat([torch.arange(31, -1, -1), torch.arange(64)]) / 95
    torch.testing.assert_close(right[0, 1, 5], expected)
    torch.testing.assert_close(up[0, 1, :, 5], torch.cat([torch.arange(32, 96), torch.arange(95, 63, -1)]) / 95)
    assert torch.equal(move(ramp, torch.tensor([[0, 0]])), ramp)


def test_the_asked_for_share_is_moved_and_the_rest_stays() -> None:
    images = _images(400)

    changes = draw(400, Augmentation(symmetries=False, moved=0.25), torch.Generator().manual_seed(0))
    changed = apply(images, changes)

    assert changes.moved is not None
    assert changes.offsets is not None
    assert abs(changes.moved.float().mean().item() - 0.25) < 3 * math.sqrt(0.25 * 0.75 / 400)
    assert torch.equal((changed != images).flatten(1).any(dim=1), changes.moved)
    assert int(changes.offsets.min()) == -32
    assert int(changes.offsets.max()) == 32


def test_a_gpu_looks_up_the_symmetries_that_the_cpu_makes() -> None:
    images = torch.from_numpy(np.random.default_rng(3).integers(0, 256, (16, 3, 96, 96), dtype=np.uint8))
    which = torch.arange(16) % 8

    assert torch.equal(looked_up(images, which), symmetries(images, which))


def test_a_zoomed_patch_keeps_its_middle_and_is_larger_or_smaller() -> None:
    images = torch.zeros(2, 3, 96, 96)
    images[:, :, 36:60, 36:60] = 1.0  # a square of 24 pixels

    zoomed = rotate(images, scales=torch.tensor([1.5, 0.5]))

    middle = zoomed[:, 0, 24:72, 24:72]  # what comes in from outside of the smaller one is its mirror image
    assert middle.sum(dim=(1, 2)).tolist() == pytest.approx([36.0**2, 12.0**2], rel=0.02)
    torch.testing.assert_close(zoomed, zoomed.flip(2), rtol=0, atol=1e-4)
    torch.testing.assert_close(zoomed, zoomed.transpose(2, 3), rtol=0, atol=1e-4)


def test_patches_are_enlarged_as_often_as_reduced() -> None:
    scales = draw(2000, Augmentation(zoom=0.25), torch.Generator().manual_seed(0)).scales

    assert scales is not None
    assert (0.8 <= scales.min() < 0.805, 1.245 < scales.max() <= 1.25) == (True, True)
    assert abs((scales > 1).float().mean().item() - 0.5) < 3 * 0.5 / math.sqrt(2000)


def test_a_blend_is_a_mean_and_a_share_of_0_is_the_patch() -> None:
    images = torch.tensor([10, 200], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 96, 96)

    blended = blend(images, images.flip(0), torch.tensor([0.5, 0.0]))

    assert blended[:, 0, 0, 0].tolist() == [105, 200]
