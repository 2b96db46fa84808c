"""Classical denoisers, measured as if they were models."""

import threading
from abc import abstractmethod
from importlib.util import find_spec
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from napari_mri_cae.errors import InputError
from napari_mri_cae.evaluation.table import IDENTITY

FloatArray = npt.NDArray[np.float32]

_KINDS: dict[str, "type[Baseline]"] = {}
# BM3D brings its own threads, and aborts the process when it is called from two of ours.
_BM3D: Final = threading.Lock()


class Baseline(BaseModel):
    """A classical method with its parameters; called with a slice, gives a slice.

    Attributes
    ----------
    kind
        Its name on the command line and in tables.
    label
        The name that people see.
    told_noise
        Whether it is told the true strength of the noise, which a blind model is not. Where there is no
        noise it is told 0, and leaves the slice as it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: ClassVar[str]
    label: ClassVar[str]
    told_noise: ClassVar[bool] = False
    package: ClassVar[str] = "scikit-image"

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Register the subclass under its kind."""
        super().__pydantic_init_subclass__(**kwargs)
        _KINDS[cls.kind] = cls

    def __call__(self, image: FloatArray, sigma: float) -> FloatArray:
        """Return a slice reconstructed.

        Parameters
        ----------
        image : numpy.ndarray
            (H, W) float32 on the volume's scale. Never changed.
        sigma : float
            Standard deviation of the noise on that scale; looked at only by those that are told.

        Returns
        -------
        numpy.ndarray
            (H, W) float32, a new array.
        """
        if self.told_noise and sigma == 0:
            return image.copy()
        return np.asarray(self._denoise(image, sigma), dtype=np.float32)

    def check(self) -> None:
        """Raise an InputError if it cannot work on this machine."""

    @abstractmethod
    def _denoise(self, image: FloatArray, sigma: float) -> npt.NDArray[Any]: ...

    def to_dict(self) -> dict[str, Any]:
        """Return the kind and all parameters as plain values."""
        return {"kind": self.kind, "told_noise": self.told_noise, **self.model_dump(mode="json")}


class Identity(Baseline):
    """The corrupted slice as it is: what there was before any reconstruction."""

    kind: ClassVar[str] = IDENTITY
    label: ClassVar[str] = "Identity (as corrupted)"

    def _denoise(self, image: FloatArray, sigma: float) -> npt.NDArray[Any]:
        return image.copy()


class GaussianFilter(Baseline):
    """Convolution with a Gaussian."""

    kind: ClassVar[str] = "gaussian"
    label: ClassVar[str] = "Gaussian filter"
    package: ClassVar[str] = "scipy"

    sigma: float = Field(1.0, gt=0, title="Sigma", description="Standard deviation in slice pixels")

    def _denoise(self, image: FloatArray, sigma: float) -> npt.NDArray[Any]:
        from scipy.ndimage import gaussian_filter

        filtered: npt.NDArray[Any] = gaussian_filter(image, self.sigma, mode="nearest")
        return filtered


class MedianFilter(Baseline):
    """The median of a square neighbourhood."""

    kind: ClassVar[str] = "median"
    label: ClassVar[str] = "Median filter"
    package: ClassVar[str] = "scipy"

    size: int = Field(3, ge=1, title="Size", description="Side of the neighbourhood in slice pixels")

    def _denoise(self, image: FloatArray, sigma: float) -> npt.NDArray[Any]:
        from scipy.ndimage import median_filter

        filtered: npt.NDArray[Any] = median_filter(image, self.size, mode="nearest")
        return filtered


class TotalVariation(Baseline):
    """Total variation denoising.

    A. Chambolle, "An algorithm for total variation minimization and applications", Journal of Mathematical
    Imaging and Vision 20:89-97, 2004, as in scikit-image.
    """

    kind: ClassVar[str] = "tv"
    label: ClassVar[str] = "Total variation"
    told_noise: ClassVar[bool] = True

    # 0.8 is where the PSNR of T1-weighted slices peaks at sigma 0.05.
    weight: float = Field(
        0.8, gt=0, title="Weight", description="Strength, in multiples of the noise's sigma"
    )

    def _denoise(self, image: FloatArray, sigma: float) -> npt.NDArray[Any]:
        from skimage.restoration import denoise_tv_chambolle

        denoised: npt.NDArray[Any] = denoise_tv_chambolle(image, weight=self.weight * sigma)
        return denoised


class NonLocalMeans(Baseline):
    """Non-local means.

    A. Buades, B. Coll and J.-M. Morel, "A non-local algorithm for image denoising", CVPR 2005, as in
    scikit-image, fast mode.
    """

    kind: ClassVar[str] = "nlm"
    label: ClassVar[str] = "Non-local means"
    told_noise: ClassVar[bool] = True

    patch_size: int = Field(5, ge=1, title="Patch", description="Side of the patches in slice pixels")
    patch_distance: int = Field(
        6, ge=1, title="Distance", description="How far patches are looked for, in slice pixels"
    )
    h: float = Field(0.8, gt=0, title="h", description="Cut-off, in multiples of the noise's sigma")

    def _denoise(self, image: FloatArray, sigma: float) -> npt.NDArray[Any]:
        from skimage.restoration import denoise_nl_means

        denoised: npt.NDArray[Any] = denoise_nl_means(
            image,
            patch_size=self.patch_size,
            patch_distance=self.patch_distance,
            h=self.h * sigma,
            sigma=sigma,
            fast_mode=True,
        )
        return denoised


class BM3D(Baseline):
    """Block-matching and 3-D filtering, where the authors' package `bm3d` is installed.

    K. Dabov, A. Foi, V. Katkovnik and K. Egiazarian, "Image denoising by sparse 3-D transform-domain
    collaborative filtering", IEEE Transactions on Image Processing 16(8):2080-2095, 2007.
    """

    kind: ClassVar[str] = "bm3d"
    label: ClassVar[str] = "BM3D"
    told_noise: ClassVar[bool] = True
    package: ClassVar[str] = "bm3d"

    def check(self) -> None:
        """Raise an InputError if the package is not installed."""
        if find_spec("bm3d") is None:
            raise InputError(
                "BM3D is not installed: run pip install bm3d, if its licence (non-commercial use) suits you, "
                "or leave it out."
            )

    def _denoise(self, image: FloatArray, sigma: float) -> npt.NDArray[Any]:
        import bm3d

        with _BM3D:
            denoised: npt.NDArray[Any] = bm3d.bm3d(image.astype(np.float64), sigma)
        return denoised


def baseline_kinds() -> dict[str, type[Baseline]]:
    """Return every kind of baseline and its class, in the order in which they are offered."""
    return dict(_KINDS)


def find_baseline(kind: str) -> Baseline:
    """Return a baseline with its default parameters.

    Raises
    ------
    InputError
        If there is no such baseline, or it is not installed.
    """
    if kind not in _KINDS:
        raise InputError(f"{kind!r} is not a baseline: choose from {', '.join(_KINDS)}.")
    baseline = _KINDS[kind]()
    baseline.check()
    return baseline
