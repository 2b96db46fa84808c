"""Background work whose threads can be waited for, and no others."""

import threading
from collections.abc import Callable
from typing import TypeVar

from napari_mri_cae.viewer.background import Background

Result = TypeVar("Result")


class OwnThreads(Background):
    """Knows how many of its functions are running; Qt's pool knows only of everybody's together."""

    def __init__(self) -> None:
        super().__init__()
        self._running = 0
        self._changed = threading.Condition()

    def run(
        self,
        kind: str,
        work: Callable[[], Result],
        then: Callable[[Result], None],
        what: str,
        *,
        otherwise: Callable[[], None] = lambda: None,
    ) -> None:
        """Run `work` in a thread, as `Background` does."""

        def counted() -> Result:
            self._count(1)
            try:
                return work()
            finally:
                self._count(-1)

        super().run(kind, counted, then, what, otherwise=otherwise)

    def wait(self, seconds: float) -> None:
        """Wait until none of them is running, but not longer than this."""
        with self._changed:
            self._changed.wait_for(lambda: not self._running, seconds)

    def _count(self, more: int) -> None:
        with self._changed:
            self._running += more
            self._changed.notify_all()
