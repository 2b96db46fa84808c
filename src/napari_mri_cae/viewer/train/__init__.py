"""The Train dock: from a folder of volumes to a model, watched live."""

from napari_mri_cae.viewer.train.dock import TrainDock

__all__ = ["TrainDock"]
