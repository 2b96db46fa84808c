"""A model on a device: slices in, slices out."""

from napari_mri_cae.reconstruction.devices import Device, available_devices, resolve_device
from napari_mri_cae.reconstruction.reconstructor import Reconstructor

__all__ = ["Device", "Reconstructor", "available_devices", "resolve_device"]
