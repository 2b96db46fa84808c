"""The order of work, for any state of a comparison."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_mri_cae.comparison.order import next_slices


@st.composite
def _states(draw: st.DrawFn) -> tuple[np.ndarray, int, int]:
    done = np.array(draw(st.lists(st.booleans(), min_size=1, max_size=40)))
    return done, draw(st.integers(0, len(done) - 1)), draw(st.integers(1, 20))


@given(_states())
def test_the_focus_comes_alone_and_then_the_nearest(state: tuple[np.ndarray, int, int]) -> None:
    done, focus, batch_size = state
    before = done.copy()
    chosen = next_slices(done, focus, batch_size)
    np.testing.assert_array_equal(done, before)
    if not done[focus]:
        assert chosen == (focus,)
        return
    assert all(type(index) is int for index in chosen)
    assert len(set(chosen)) == len(chosen) == min(batch_size, np.count_nonzero(~done))
    assert not any(done[index] for index in chosen)
    distances = [abs(index - focus) for index in chosen]
    assert distances == sorted(distances)
    left = [abs(index - focus) for index in np.flatnonzero(~done) if index not in chosen]
    assert not left or not distances or max(distances) <= min(left)


@given(_states())
def test_every_slice_comes_once(state: tuple[np.ndarray, int, int]) -> None:
    done, focus, batch_size = state
    wanted = set(np.flatnonzero(~done))
    order: list[int] = []
    while chosen := next_slices(done, focus, batch_size):
        order += chosen
        done[list(chosen)] = True
    assert len(order) == len(wanted)
    assert set(order) == wanted


def test_outward_from_the_focus() -> None:
    done = np.zeros(6, bool)
    done[2] = True
    assert next_slices(done, 2, 16) == (1, 3, 0, 4, 5)
    assert next_slices(done, 2, 3) == (1, 3, 0)
    assert next_slices(np.ones(6, bool), 2, 3) == ()
