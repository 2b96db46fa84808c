"""From one of the worst slices to the next."""

from napari_mri_cae.comparison.noteworthy import worst_slices
from napari_mri_cae.viewer.compare.session import ComparisonSession
from napari_mri_cae.viewer.compare.state import CompareState


class WorstSlices:
    """Goes to the slices that are furthest from their originals, by the metric that is plotted.

    Parameters
    ----------
    session : ComparisonSession
    state : CompareState
    """

    def __init__(self, session: ComparisonSession, state: CompareState) -> None:
        self._session = session
        self._state = state

    def order(self, count: int | None = None) -> tuple[int, ...]:
        """Return the finished slices, the worst reconstruction first."""
        comparison = self._session.comparison
        return () if comparison is None else worst_slices(comparison, self._state.metric, count=count)

    def go_to_worst(self) -> None:
        """Show the worst slice."""
        self._go(to=0)

    def go_to_next(self) -> None:
        """Show the next better slice than the one on screen; the worst if that is not in the order."""
        self._go(by=1)

    def go_to_previous(self) -> None:
        """Show the next worse slice than the one on screen; the worst if that is not in the order."""
        self._go(by=-1)

    def _go(self, *, to: int | None = None, by: int = 0) -> None:
        order, shown = self.order(), self._session.current_slice()
        if not order:
            return
        if to is None:
            to = order.index(shown) + by if shown in order else 0
        self._session.go_to(order[min(max(to, 0), len(order) - 1)])
