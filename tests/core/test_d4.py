"""The eight flips and quarter turns: which one an index means, their way back, and arrays like tensors."""

import numpy as np
import pytest
import torch

from core import d4

IMAGE = np.arange(9.0).reshape(3, 3)


def test_an_index_is_a_flip_and_then_quarter_turns_to_the_left() -> None:
    square = np.array([[1, 2], [3, 4]])
    assert [view.tolist() for view in d4.views(square)] == [
        [[1, 2], [3, 4]], [[2, 4], [1, 3]], [[4, 3], [2, 1]], [[3, 1], [4, 2]],
        [[2, 1], [4, 3]], [[1, 3], [2, 4]], [[3, 4], [1, 2]], [[4, 2], [3, 1]],
    ]  # fmt: skip


@pytest.mark.parametrize("index", range(8))
def test_a_view_is_undone_and_a_tensor_has_the_views_of_an_array(index: int) -> None:
    tensor = torch.from_numpy(IMAGE)
    np.testing.assert_array_equal(d4.undo(d4.view(IMAGE, index), index), IMAGE)
    assert torch.equal(d4.undo(d4.view(tensor, index), index), tensor)
    np.testing.assert_array_equal(d4.view(tensor, index), d4.view(IMAGE, index))


def test_the_eight_views_differ_and_one_after_another_is_one_of_them() -> None:
    known = {view.tobytes() for view in d4.views(IMAGE)}
    assert len(known) == 8
    assert {two.tobytes() for one in d4.views(IMAGE) for two in d4.views(one)} == known


def test_colours_stay_where_they_are() -> None:
    patches = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3)).astype(np.uint8)
    turned = d4.views(patches, axes=(1, 2))
    assert (turned[0] == patches).all()
    assert (turned[4] == patches[:, :, ::-1]).all()
    assert (np.rot90(turned[3], axes=(1, 2)) == patches).all()
    assert len({view.tobytes() for view in turned}) == 8
