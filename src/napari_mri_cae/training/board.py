"""TensorBoard events, where TensorBoard is installed."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any


class Board:
    """Writes numbers for TensorBoard; does nothing without the package.

    Parameters
    ----------
    folder
        Of the events.
    first_step
        What an earlier part of the same run wrote from here on is taken back.
    """

    def __init__(self, folder: Path, first_step: int = 0) -> None:
        self._writer: Any = None
        if find_spec("tensorboard") is None:
            return
        from torch.utils.tensorboard import SummaryWriter

        purge = first_step if first_step else None
        self._writer = SummaryWriter(str(folder), purge_step=purge)

    def add(self, numbers: Mapping[str, float], step: int) -> None:
        """Write numbers of a step."""
        if self._writer is not None:
            for name, value in numbers.items():
                self._writer.add_scalar(name, value, step)
            self._writer.flush()

    def add_picture(self, name: str, path: Path, step: int) -> None:
        """Write a picture from a PNG file."""
        if self._writer is not None:
            import numpy as np
            from PIL import Image

            with Image.open(path) as image:
                self._writer.add_image(name, np.asarray(image.convert("RGB")), step, dataformats="HWC")

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()
