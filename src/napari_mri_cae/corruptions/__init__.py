"""Ways to spoil slices: pure, on tensors, on any device, reproducible.

Each corruption is a frozen settings model (its fields are what a form shows) and a pure function that takes
one parameter for all slices or one for each, so that a slider and a training augmentation run the same code.
Importing this does not import torch.
"""

# Defining a corruption registers it: they are imported in the order in which they are offered.
# isort: off
from napari_mri_cae.corruptions.base import Corruption, corrupt, corruption_class, corruption_kinds
from napari_mri_cae.corruptions.gaussian_noise import GaussianNoise
from napari_mri_cae.corruptions.rician_noise import RicianNoise
from napari_mri_cae.corruptions.pixel_dropout import PixelDropout
from napari_mri_cae.corruptions.gaussian_blur import GaussianBlur
from napari_mri_cae.corruptions.blank_out import BlankOut
from napari_mri_cae.corruptions.blobs import Blobs
from napari_mri_cae.corruptions.motion import Motion
from napari_mri_cae.corruptions.ghosting import Ghosting
from napari_mri_cae.corruptions.spikes import Spikes
from napari_mri_cae.corruptions.gibbs_ringing import GibbsRinging
from napari_mri_cae.corruptions.bias_field import BiasField
from napari_mri_cae.corruptions.downsampling import Downsampling
from napari_mri_cae.corruptions.augmentation import Augmentation
from napari_mri_cae.corruptions.random import BatchSource, SliceSource, Source
from napari_mri_cae.corruptions.corrupted_slices import CorruptedSlices
# isort: on

__all__ = [
    "Augmentation",
    "BatchSource",
    "BiasField",
    "BlankOut",
    "Blobs",
    "CorruptedSlices",
    "Corruption",
    "Downsampling",
    "GaussianBlur",
    "GaussianNoise",
    "Ghosting",
    "GibbsRinging",
    "Motion",
    "PixelDropout",
    "RicianNoise",
    "SliceSource",
    "Source",
    "Spikes",
    "corrupt",
    "corruption_class",
    "corruption_kinds",
]
