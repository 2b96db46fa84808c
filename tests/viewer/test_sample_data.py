"""The sample brain comes from a file in nilearn, without the network and without importing nilearn."""

import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
from napari.components import ViewerModel
from npe2 import PluginManager

from napari_mri_cae import sample
from napari_mri_cae.errors import InputError
from napari_mri_cae.viewer.layers import orientation_is_known


@pytest.fixture(autouse=True, scope="module")
def _plugins_are_known() -> None:
    PluginManager.instance().discover()


def test_the_sample_is_the_mni152_template() -> None:
    (layer,) = ViewerModel().open_sample("napari-mri-cae", "mni152")
    assert layer.name == "MNI152"
    assert layer.data.shape == (189, 233, 197)
    assert orientation_is_known(layer)
    image = nib.load(sample.sample_volume().path)
    assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
    np.testing.assert_array_equal(layer.data, image.get_fdata().transpose(2, 1, 0)[::-1, ::-1])


def test_it_imports_neither_nilearn_nor_a_window() -> None:
    code = (
        "import sys; from napari_mri_cae.sample import sample_volume; sample_volume();"
        "print(*sorted({'nilearn', 'pandas', 'sklearn', 'napari', 'qtpy', 'torch'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


def test_without_nilearn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "find_spec", lambda _name: None)
    with pytest.raises(InputError, match=r"pip install \"napari-mri-cae\[demo\]\""):
        sample.sample_volume()
