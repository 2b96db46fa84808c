"""Choose what networks run on."""

from collections.abc import Callable
from typing import Any, Final

from napari.qt.threading import FunctionWorker
from qtpy.QtWidgets import QComboBox, QWidget

_AUTO: Final = "auto"


class DevicePicker(QComboBox):
    """A list of this machine's devices, "Auto" the first.

    Parameters
    ----------
    on_chosen : callable
        Called with the device's name when the user has chosen one.
    """

    def __init__(self, on_chosen: Callable[[str], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown = _AUTO
        self._worker: FunctionWorker[Any] | None = None
        self.setToolTip("What networks run on. Auto takes the fastest device of this machine.")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.addItem("Auto", _AUTO)
        self.activated.connect(lambda position: on_chosen(self.itemData(position)))

    def list_devices(self, on_failed: Callable[[Exception], None]) -> None:
        """List this machine's devices. Loads torch, so it is done in a thread."""

        def find() -> list[tuple[str, str]]:
            from napari_mri_cae.reconstruction import available_devices, resolve_device

            return [(name, resolve_device(name).description) for name in available_devices()]

        self._worker = FunctionWorker(find)
        self._worker.returned.connect(self._on_found)
        self._worker.errored.connect(on_failed)
        self._worker.start()

    def show_device(self, name: str) -> None:
        """Show which one is chosen; "Auto" as long as it is not known."""
        self._shown = name
        self.setCurrentIndex(max(self.findData(name), 0))

    def _on_found(self, devices: list[tuple[str, str]]) -> None:
        for name, description in devices:
            if self.findData(name) < 0:
                self.addItem(description.rsplit(", ", 1)[0], name)
        self.show_device(self._shown)
