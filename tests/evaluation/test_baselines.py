"""Classical denoisers."""

from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import pytest

from napari_mri_cae import InputError
from napari_mri_cae.evaluation import baseline_kinds, find_baseline

HERE = [kind for kind in baseline_kinds() if kind != "bm3d" or find_spec("bm3d")]


@pytest.fixture
def clean() -> np.ndarray:
    rows, columns = np.mgrid[:64, :48]
    return np.where(np.hypot(rows - 32, columns - 24) < 20, 0.6, 0.1).astype(np.float32)


@pytest.mark.parametrize("kind", [kind for kind in HERE if kind != "identity"])
def test_noise_is_removed(kind: str, clean: np.ndarray, rng: np.random.Generator) -> None:
    noisy = clean + 0.1 * rng.standard_normal(clean.shape).astype(np.float32)
    given = noisy.copy()
    baseline = find_baseline(kind)
    denoised = baseline(noisy, 0.1)
    assert denoised.dtype == np.float32
    assert denoised.shape == clean.shape
    np.testing.assert_array_equal(noisy, given)
    assert np.square(denoised - clean).mean() < 0.5 * np.square(noisy - clean).mean()
    with ThreadPoolExecutor(4) as pool:
        for again in pool.map(lambda _: baseline(noisy, 0.1), range(8)):
            np.testing.assert_array_equal(again, denoised)


@pytest.mark.parametrize("kind", HERE)
def test_told_that_there_is_no_noise(kind: str, clean: np.ndarray) -> None:
    clean[32, 24] = 1.0
    baseline = find_baseline(kind)
    unchanged = np.array_equal(baseline(clean, 0.0), clean)
    assert unchanged == (baseline.told_noise or kind == "identity")


def test_what_is_told_counts(clean: np.ndarray, rng: np.random.Generator) -> None:
    noisy = clean + 0.1 * rng.standard_normal(clean.shape).astype(np.float32)
    for kind in ("tv", "nlm"):
        baseline = find_baseline(kind)
        right, wrong = (np.square(baseline(noisy, sigma) - clean).mean() for sigma in (0.1, 0.02))
        assert right < wrong


def test_unknown_or_not_installed() -> None:
    with pytest.raises(InputError, match="choose from identity, gaussian, median, tv, nlm, bm3d"):
        find_baseline("wavelets")
    if find_spec("bm3d") is None:
        with pytest.raises(InputError, match="pip install bm3d"):
            find_baseline("bm3d")
