"""The sample brain in napari's File > Open Sample menu."""

from napari_mri_cae.sample import sample_volume
from napari_mri_cae.viewer.layers import VolumeLayer, volume_layer


def mni152() -> list[VolumeLayer]:
    """Return the MNI152 template as a layer.

    Raises
    ------
    InputError
        If nilearn, which brings the template, is not installed.
    """
    data, kwargs, layer_type = volume_layer(sample_volume())
    return [(data, {**kwargs, "name": "MNI152"}, layer_type)]
