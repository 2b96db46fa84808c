"""Read a volume into I-P-L order, look at it, and write it back onto its own grid."""

from napari_mri_cae.volume.frames import Frames
from napari_mri_cae.volume.volume import Volume

__all__ = ["Frames", "Volume"]
