"""Work that threads do step by step."""

from collections.abc import Callable, Iterator
from typing import Any

from napari.qt.threading import GeneratorWorker


class StepWorker(GeneratorWorker[Any, Any, Any]):  # type: ignore[misc, unused-ignore]
    """Runs a generator in a thread; whatever it raises arrives as `errored`.

    superqt takes a RuntimeError for the sign of a deleted worker and tells nobody, not even that the work has
    ended; torch raises one for nearly everything. And not `create_worker`: it lists the work among napari's
    tasks, so that closing the window would ask once more.

    Parameters
    ----------
    steps : callable
        Returns the generator. What it yields arrives as `yielded`.
    """

    def __init__(self, steps: Callable[[], Iterator[Any]]) -> None:
        def marked() -> Iterator[Any]:
            try:
                yield from steps()
            except RuntimeError as error:
                raise _Raised(error) from error

        super().__init__(marked)

    def work(self) -> Any:
        """Do the work, in the thread."""
        try:
            return super().work()
        except _Raised as raised:
            raise raised.error from None


class _Raised(Exception):
    """Carries a RuntimeError of the generator past superqt."""

    def __init__(self, error: RuntimeError) -> None:
        super().__init__(error)
        self.error = error
