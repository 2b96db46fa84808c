import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy

from napari_mri_cae.errors import InputError
from napari_mri_cae.intensity import SCALINGS, Window, scale
from napari_mri_cae.volume import Volume

NETWORK_SCALINGS = [name for name in SCALINGS if name != "volume"]


class TestWindow:
    @given(
        hypothesis_numpy.arrays(
            np.float32,
            hypothesis_numpy.array_shapes(min_dims=3, max_dims=3, max_side=12),
            elements=st.floats(-1000, 1000, width=32),
        )
    )
    def test_it_is_the_minimum_and_numpy_s_percentile(self, data: np.ndarray) -> None:
        window = Window.of(data)
        expected = np.percentile(data.astype(np.float64), 99.95)
        assert window.low == data.min()
        if expected > data.min():
            assert window.high == pytest.approx(expected, rel=1e-6, abs=1e-6)
            assert window.clipped_fraction == pytest.approx(np.mean(data > window.high))

    @pytest.mark.parametrize(
        "distribution", ["normal", "mostly zero", "integers", "sorted", "reversed", "heavy tail"]
    )
    def test_large_volumes(self, rng: np.random.Generator, distribution: str) -> None:
        values = rng.normal(100, 20, 300_000).astype(np.float32)
        if distribution == "mostly zero":
            values[rng.random(values.size) < 0.998] = 0
        elif distribution == "integers":
            values = np.rint(values / 20)
        elif distribution in ("sorted", "reversed"):
            values = np.sort(values)[:: 1 if distribution == "sorted" else -1]
        elif distribution == "heavy tail":
            values = (rng.standard_cauchy(values.size) ** 2).astype(np.float32)
        window = Window.of(values.reshape(30, 100, 100))
        assert window.high == pytest.approx(np.percentile(values.astype(np.float64), 99.95), rel=1e-6)

    def test_a_bright_plane_between_the_sampled_voxels(self) -> None:
        # Every second voxel is dark, and a thin sample of the volume might see only those.
        values = np.zeros((100, 100, 100), np.float32)
        values[..., 1::2] = np.arange(50, dtype=np.float32)
        assert Window.of(values).high == pytest.approx(np.percentile(values, 99.95))

    def test_only_finite_voxels_count(self, rng: np.random.Generator) -> None:
        data = rng.normal(size=(20, 20, 20)).astype(np.float32)
        with_holes = data.copy()
        with_holes[:2], with_holes[2], with_holes[3] = np.nan, np.inf, -np.inf
        assert Window.of(with_holes) == Window.of(data[4:])

    @pytest.mark.parametrize("value", [0.0, -7.5, 1e30, np.nan, np.inf])
    def test_a_constant_volume(self, value: float) -> None:
        volume = Volume.from_array(np.full((3, 4, 5), value, np.float32))
        finite = value if np.isfinite(value) else 0.0
        assert volume.window == Window(np.float32(finite), np.float32(finite), 0.0)
        assert np.unique(volume.normalized).tolist() == [1.0 if value == np.inf else 0.0]
        np.testing.assert_array_equal(volume.to_intensities(np.zeros(3)), np.full(3, np.float32(finite)))

    def test_a_few_bright_voxels_are_not_lost(self) -> None:
        data = np.zeros((20, 20, 20), np.float32)
        data[3, 4, 5] = 9
        assert Window.of(data) == Window(0.0, 9.0, 0.0)


class TestVolumeScale:
    def test_normalized(self, rng: np.random.Generator) -> None:
        data = rng.gamma(2, 100, (40, 41, 42)).astype(np.float32)
        data[0, 0, :3] = np.nan, np.inf, -np.inf
        volume = Volume.from_array(data)
        low, high = volume.window.low, volume.window.high
        normalized = volume.normalized
        assert normalized.dtype == np.float32
        assert normalized.flags.c_contiguous
        assert volume.normalized is normalized
        assert normalized[0, 0, :3].tolist() == [0, 1, 0]
        expected = np.clip((data[1:].astype(np.float64) - low) / (high - low), 0, 1)
        np.testing.assert_allclose(normalized[1:], expected, atol=1e-7)
        assert volume.window.clipped_fraction == pytest.approx(0.0005, abs=1e-4)

    @pytest.mark.parametrize("offset", [0, -1000])
    def test_integers_inside_the_window_come_back_exactly(
        self, rng: np.random.Generator, offset: int
    ) -> None:
        data = (rng.integers(0, 4096, (30, 31, 32)) + offset).astype(np.float32)
        volume = Volume.from_array(data)
        back = volume.to_intensities(volume.normalized)
        inside = data <= volume.window.high
        assert back.dtype == np.float32
        np.testing.assert_array_equal(np.rint(back[inside]), data[inside])
        np.testing.assert_allclose(back[inside], data[inside], atol=4096 * 1e-7)

    def test_what_is_outside_is_extrapolated(self) -> None:
        volume = Volume.from_array(np.linspace(10, 30, 8, dtype=np.float32).reshape(2, 2, 2))
        span = volume.window.high - 10
        given_ = [[-0.5, 0.0], [1.0, 2.0]]
        np.testing.assert_allclose(
            volume.to_intensities(given_), [[10 - span / 2, 10], [10 + span, 10 + 2 * span]], rtol=1e-6
        )
        assert np.isnan(volume.to_intensities(np.nan))


class TestScale:
    @pytest.fixture
    def slices(self, rng: np.random.Generator) -> torch.Tensor:
        return torch.from_numpy(rng.gamma(2, 0.1, (4, 1, 24, 31)).astype(np.float32))

    @pytest.mark.parametrize("scaling", SCALINGS)
    def test_undo_is_the_inverse(self, slices: torch.Tensor, scaling: str) -> None:
        before = slices.clone()
        scaled, undo = scale(slices, scaling)
        torch.testing.assert_close(undo(scaled), slices, atol=1e-6, rtol=0)
        assert torch.equal(slices, before)
        # A network's output is other numbers, and a linear map takes them back.
        step = undo(scaled + 1) - undo(scaled)
        torch.testing.assert_close(step, step[:, :, :1, :1].expand_as(step), atol=1e-6, rtol=1e-5)

    def test_what_each_of_them_makes(self, slices: torch.Tensor) -> None:
        values = slices.numpy().astype(np.float64)
        min_max = scale(slices, "slice-min-max")[0]
        assert min_max.amin(dim=(1, 2, 3)).tolist() == [0] * 4
        assert min_max.amax(dim=(1, 2, 3)).tolist() == [1] * 4
        z_score = scale(slices, "slice-z-score")[0].numpy()
        axes = (1, 2, 3)
        expected = (values - values.mean(axes, keepdims=True)) / values.std(axes, keepdims=True)
        np.testing.assert_allclose(z_score, expected, atol=1e-5)
        low, high = np.percentile(values, [1, 99], axis=axes, keepdims=True)
        percentile = scale(slices, "slice-percentile")[0].numpy()
        np.testing.assert_allclose(percentile, (values - low) / (high - low), atol=1e-5)
        assert scale(slices, "volume")[0] is slices

    @pytest.mark.parametrize("scaling", NETWORK_SCALINGS)
    @pytest.mark.parametrize("value", [0.0, 0.1, -3.0])
    def test_a_constant_slice_stays_what_it_is(
        self, slices: torch.Tensor, scaling: str, value: float
    ) -> None:
        slices[1] = value
        scaled, undo = scale(slices, scaling)
        assert scaled[1].abs().max() == 0
        output = undo(scaled + 0.5)
        torch.testing.assert_close(output[1], slices[1])
        assert torch.isfinite(output).all()

    @pytest.mark.parametrize("scaling", SCALINGS)
    def test_a_slice_does_not_depend_on_its_batch(self, slices: torch.Tensor, scaling: str) -> None:
        torch.testing.assert_close(scale(slices, scaling)[0][2:3], scale(slices[2:3], scaling)[0])

    @pytest.mark.parametrize("scaling", SCALINGS)
    def test_half_precision_comes_back_whole(self, slices: torch.Tensor, scaling: str) -> None:
        scaled, undo = scale(slices, scaling)
        if scaling != "volume":
            assert undo(scaled.bfloat16()).dtype == torch.float32

    def test_a_name_that_is_none(self, slices: torch.Tensor) -> None:
        with pytest.raises(InputError, match="slice-min-max"):
            scale(slices, "per-slice")
