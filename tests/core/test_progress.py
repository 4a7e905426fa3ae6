from core.progress import no_progress, within


def test_a_stage_reports_its_range_and_ends_at_its_end_exactly() -> None:
    shares: list[float] = []
    stage = within(shares.append, 2 / 3, 1.0)
    for share in (0.0, 0.5, 1.0):
        stage(share)
    assert shares[0] == 2 / 3
    assert abs(shares[1] - 5 / 6) < 1e-15
    assert shares[2] == 1.0


def test_stages_nest() -> None:
    shares: list[float] = []
    within(within(shares.append, 0.5, 1.0), 0.0, 0.5)(0.5)
    assert shares == [0.625]


def test_without_anybody_who_listens_nothing_happens() -> None:
    within(no_progress, 0.0, 0.5)(1.0)
