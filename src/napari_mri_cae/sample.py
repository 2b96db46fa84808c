"""A brain to start with, which needs no network."""

from importlib.util import find_spec
from pathlib import Path

from napari_mri_cae.errors import InputError
from napari_mri_cae.volume import Volume

# What nilearn's load_mni152_template reads. Its own resolution is 1 mm, so there is nothing to resample, and
# nilearn itself, with pandas and scikit-learn behind it, need not be imported.
_FILE = Path("datasets", "data", "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz")


def sample_volume() -> Volume:
    """Return the MNI152 T1 template (ICBM 2009a nonlinear symmetric, skull-stripped, 1 mm).

    It is a file inside the nilearn package.

    Returns
    -------
    Volume
        (189, 233, 197) voxels, intensities 0 to 255.

    Raises
    ------
    InputError
        If nilearn is not installed, or is a version that lacks the file.

    References
    ----------
    Fonov et al., Unbiased average age-appropriate atlases for pediatric studies, NeuroImage 54 (2011).
    """
    spec = find_spec("nilearn")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder, _FILE)
        if path.is_file():
            return Volume.load(path)
    raise InputError(
        'The sample brain comes with nilearn, which is not installed: run pip install "napari-mri-cae[demo]".'
    )
