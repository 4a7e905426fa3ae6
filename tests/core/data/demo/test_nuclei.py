import numpy as np
import pytest

from core.data.demo.blobs import Blobs, cover, grow, scatter
from core.data.demo.nuclei import CENTROBLAST, LYMPHOCYTE, TUMOUR, NucleusKind, paint_nuclei, shape_blobs
from core.data.demo.tissue import draw_recipe


def _disc(*centres, radius=10.0, elongation=1.0, angle=0.0):
    n = len(centres)
    return Blobs(
        centre=np.array(centres, np.float32).reshape(n, 2),
        radius=np.full(n, radius, np.float32),
        elongation=np.full(n, elongation, np.float32),
        angle=np.full(n, angle, np.float32),
        bumps=np.zeros((n, 2), np.complex64),
    )


def test_a_disc_covers_its_area():
    large = cover(_disc((32, 32), radius=20.5), size=64)
    assert (large.rho < 1).sum() == pytest.approx(np.pi * 20.5**2, rel=0.01)
    found = cover(_disc((32, 32)), size=64)
    assert found.rho[32, 32] == 0
    assert found.rho[32, 37] == pytest.approx(0.5, abs=0.002)
    assert found.owner[0, 0] == -1


def test_the_long_axis_follows_the_angle():
    flat = cover(_disc((32, 32), radius=10.3, elongation=4.0), size=64).rho < 1
    upright = cover(_disc((32, 32), radius=10.3, elongation=4.0, angle=np.pi / 2), size=64).rho < 1
    assert flat[32].sum() == pytest.approx(40, abs=2)
    assert flat[:, 32].sum() == pytest.approx(10, abs=2)
    np.testing.assert_array_equal(upright, flat.T)


def test_two_discs_meet_half_way():
    found = cover(_disc((32, 24), (32, 40)), size=64)
    assert set(np.unique(found.owner[32, 20:31])) == {0}
    assert set(np.unique(found.owner[32, 34:44])) == {1}


def test_a_disc_on_the_edge_is_cut_and_does_not_wrap_round():
    found = cover(_disc((0, 0), (63, 63)), size=64)
    inside = found.rho < 1
    assert inside.sum() == pytest.approx(np.pi * 10**2 / 2, rel=0.12)
    assert not inside[:20, 44:].any()
    assert not inside[44:, :20].any()


def test_no_blobs_cover_nothing():
    found = cover(_disc(), size=16)
    assert (found.owner == -1).all()
    assert (found.rho > 1).all()


def test_growing_doubles_the_radius():
    assert (cover(grow(_disc((32, 32)), factor=2.0), size=64).rho < 1).sum() == pytest.approx(np.pi * 400, rel=0.02)


def test_drawn_sizes_follow_the_kind():
    blobs = shape_blobs(np.random.default_rng(0), LYMPHOCYTE, np.zeros((4000, 2), np.float32))
    assert 2 * blobs.radius.mean() == pytest.approx(LYMPHOCYTE.diameter, rel=0.02)
    assert np.log(blobs.radius).std() == pytest.approx(LYMPHOCYTE.diameter_spread, rel=0.06)


def test_tumour_nuclei_are_larger_and_more_varied_than_lymphocytes():
    centre = np.zeros((2000, 2), np.float32)
    small = shape_blobs(np.random.default_rng(1), LYMPHOCYTE, centre)
    for seed in range(20):
        kind = draw_recipe(np.random.default_rng(seed)).tumour_nucleus
        large = shape_blobs(np.random.default_rng(2), kind, centre)
        assert 11 <= kind.diameter <= 20
        assert np.percentile(large.radius, 2) > np.percentile(small.radius, 98)
        assert large.radius.std() > 2 * small.radius.std()
    assert LYMPHOCYTE.diameter == pytest.approx(7, abs=0.5)
    assert LYMPHOCYTE.diameter < CENTROBLAST.diameter < TUMOUR.diameter


def test_a_filled_nucleus_has_the_density_of_its_kind():
    kind = NucleusKind(diameter=20, density=1.5, density_spread=0, clearing=0, chromatin=0)
    density, covered = paint_nuclei(
        np.random.default_rng(0), kind, _disc((32, 32)), size=64, chromatin=np.zeros((64, 64), np.float32)
    )
    assert density[32, 32] == pytest.approx(1.5)
    assert covered[32, 32] == 1
    assert density[0, 0] == covered[0, 0] == 0


def test_a_vesicular_nucleus_is_lighter_inside_than_on_its_rim():
    kind = NucleusKind(diameter=20, density=1.5, density_spread=0, clearing=0.5, chromatin=0)
    density, _ = paint_nuclei(
        np.random.default_rng(0), kind, _disc((32, 32)), size=64, chromatin=np.zeros((64, 64), np.float32)
    )
    assert density[32, 32] < 0.8 * density[32, 32 + 9]


def test_points_keep_their_distance_and_follow_the_chance():
    chance = np.zeros((200, 200), np.float32)
    chance[:, 100:] = 1
    points = scatter(np.random.default_rng(0), chance=chance, spacing=10.0)
    gap = np.linalg.norm(points[:, None] - points[None], axis=2) + 1e3 * np.eye(len(points))
    assert gap.min() >= 6 - 1e-3
    assert points[:, 1].min() >= 99.4
    assert 100 < len(points) < 260
