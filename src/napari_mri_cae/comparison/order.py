"""Which slices come next."""

import numpy as np
import numpy.typing as npt


def next_slices(done: npt.NDArray[np.bool_], focus: int, batch_size: int) -> tuple[int, ...]:
    """Return the slices to compute next.

    The slice in focus comes first and alone, so that nothing delays it; then the others outward from it,
    in batches.

    Parameters
    ----------
    done : numpy.ndarray
        (slices,) bool: what is finished.
    focus : int
        The slice that is looked at.
    batch_size : int
        How many slices to return at most.

    Returns
    -------
    tuple of int
        In the order of their distance from the focus; empty when everything is done.
    """
    if not done[focus]:
        return (focus,)
    pending = np.flatnonzero(~done)
    nearest = np.argsort(np.abs(pending - focus), kind="stable")[:batch_size]
    return tuple(int(index) for index in pending[nearest])
