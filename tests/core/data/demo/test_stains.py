import numpy as np
import pytest

from core.data.demo.stains import Stain, draw_stain, mix, scan
from core.stain import RUIFROK_EOSIN, RUIFROK_HAEMATOXYLIN


def _field(value, size=4):
    return np.full((size, size), value, np.float32)


def test_no_stain_shows_the_background():
    light = mix(_field(0), _field(0), Stain(background=(250.0, 240.0, 245.0)))
    np.testing.assert_allclose(light, np.broadcast_to([250.0, 240.0, 245.0], (4, 4, 3)), rtol=1e-6)


def test_known_concentrations_give_the_known_colour():
    light = mix(_field(1.5), _field(0.5), Stain())
    density = 1.5 * np.array(RUIFROK_HAEMATOXYLIN) + 0.5 * np.array(RUIFROK_EOSIN)
    np.testing.assert_allclose(light[0, 0], 255 * np.exp(-density), rtol=1e-5)
    np.testing.assert_allclose(light[0, 0], [92.78, 54.05, 157.54], atol=0.05)


def test_strength_multiplies_the_concentration():
    strong = mix(_field(0.4), _field(0.3), Stain(haematoxylin_strength=2.0, eosin_strength=3.0))
    np.testing.assert_allclose(strong, mix(_field(0.8), _field(0.9), Stain()), rtol=1e-5)


def test_densities_of_two_layers_add_up():
    stain = Stain()
    below, above, both = (mix(_field(h), _field(e), stain) for h, e in ((0.7, 0.0), (0.0, 0.9), (0.7, 0.9)))
    np.testing.assert_allclose(both, below * above / 255, rtol=1e-5)


def test_a_scan_without_optics_only_rounds():
    light = mix(_field(0.31), _field(0.77), Stain())
    seen = scan(light, Stain(), np.random.default_rng(0))
    assert seen.dtype == np.uint8
    np.testing.assert_array_equal(seen, np.rint(light).astype(np.uint8))


def test_a_scan_keeps_flat_colour_under_blur_and_sharpening():
    light = mix(_field(0.6, 32), _field(0.4, 32), Stain())
    seen = scan(light, Stain(blur=0.8, sharpen=1.0), np.random.default_rng(0))
    np.testing.assert_allclose(seen, light, atol=0.51)


def test_blur_lowers_contrast():
    light = np.full((32, 32, 3), 200.0, np.float32)
    light[:, ::2] = 100.0
    blurred = scan(light, Stain(blur=0.8), np.random.default_rng(0))
    assert blurred[8:-8, 8:-8].std() < 0.5 * light.std()


def test_drawn_stains_lie_near_the_published_ones():
    stains = [draw_stain(np.random.default_rng(seed)) for seed in range(50)]
    for stain in stains:
        assert np.linalg.norm(stain.haematoxylin) == pytest.approx(1, abs=1e-6)
        assert np.dot(stain.haematoxylin, RUIFROK_HAEMATOXYLIN) / np.linalg.norm(RUIFROK_HAEMATOXYLIN) > 0.9
        assert np.dot(stain.eosin, RUIFROK_EOSIN) / np.linalg.norm(RUIFROK_EOSIN) > 0.8
        assert stain.haematoxylin[0] > stain.eosin[0], "haematoxylin takes more red light than eosin"
    assert len({stain.haematoxylin for stain in stains}) == 50
