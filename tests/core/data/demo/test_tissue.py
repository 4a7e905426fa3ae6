import numpy as np
import pytest

from core.data.demo.fields import above_share, enlarge, fibres, noise, ramp
from core.data.demo.tissue import draw_recipe, lay_out


@pytest.mark.parametrize("scale", [0.0, 1.5, 12.0, 60.0])
def test_noise_is_standardised(scale):
    field = noise(np.random.default_rng(0), size=300, scale=scale)
    assert field.shape == (300, 300)
    assert field.dtype == np.float32
    assert field.std() == pytest.approx(1, abs=0.35)


def test_noise_is_smooth_over_its_scale():
    field = noise(np.random.default_rng(0), size=512, scale=20.0)
    near = np.corrcoef(field[:, :-4].ravel(), field[:, 4:].ravel())[0, 1]
    # Gaussian smoothing of white noise gives the correlation exp(-d² / 4σ²) at the distance d.
    far = np.corrcoef(field[:, :-40].ravel(), field[:, 40:].ravel())[0, 1]
    assert near > 0.97
    assert far == pytest.approx(np.exp(-1), abs=0.15)


def test_enlarging_keeps_the_nodes_and_interpolates_between_them():
    coarse = np.array([[0, 4, 0], [8, 12, 0], [0, 0, 0]], np.float32)
    fine = enlarge(coarse, step=4, size=5)
    assert fine[0, 0] == 0
    assert fine[0, 4] == 4
    assert fine[4, 4] == 12
    assert fine[2, 2] == 6


def test_ramp_runs_from_zero_to_one():
    values = np.array([-1.0, 0.0, 0.5, 1.0, 9.0], np.float32)
    np.testing.assert_allclose(ramp(values, low=0, high=1), [0, 0, 0.5, 1, 1])


def test_above_share_cuts_off_the_share():
    field = np.arange(160_000, dtype=np.float32).reshape(400, 400)
    assert (field > above_share(field, share=0.3)).mean() == pytest.approx(0.3, abs=0.01)


def test_fibres_are_longer_than_wide():
    rng = np.random.default_rng(3)
    field = fibres(rng, size=256, direction=np.zeros((256, 256), np.float32), width=2.0, length=20.0)
    down, right = np.gradient(field)
    moments = np.linalg.eigvalsh(np.cov(down.ravel(), right.ravel()))
    assert moments[1] > 10 * moments[0], "the shade changes faster across the fibres than along them"


def test_every_pixel_belongs_to_the_regions_in_full():
    recipe = draw_recipe(np.random.default_rng(0))
    layout = lay_out(np.random.default_rng(1), size=384, recipe=recipe)
    regions = (layout.tumour, layout.lymphoid, layout.sinus, layout.stroma, layout.fat, layout.glass)
    np.testing.assert_allclose(sum(regions), 1, atol=1e-5)
    assert min(float(region.min()) for region in regions) >= -1e-6
    # Fat holes may lie within a nest, so that its share can only fall.
    assert recipe.tumour_share - 0.1 < layout.tumour_mask.mean() < recipe.tumour_share + 0.02
    assert not (layout.tumour_mask & (layout.fat > 0.5)).any()
