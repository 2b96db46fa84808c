"""The comparison: its numbers against scikit-image, its order of work, and changes in mid-flight."""

import json
import math
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import cache
from typing import Any

import numpy as np
import pytest
import skimage.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_mri_cae.comparison import Comparison, FinishedSlices
from napari_mri_cae.comparison.corrupt_volume import corrupt_volume
from napari_mri_cae.comparison.order import next_slices
from napari_mri_cae.comparison.table import columns
from napari_mri_cae.corruptions import (
    BlankOut,
    Corruption,
    GaussianBlur,
    GaussianNoise,
    PixelDropout,
    RicianNoise,
    corrupt,
)
from napari_mri_cae.errors import InputError
from napari_mri_cae.models import Card, Model
from napari_mri_cae.planes import PLANES, Plane
from napari_mri_cae.reconstruction import Reconstructor, devices, resolve_device
from napari_mri_cae.reconstruction.volume import reconstruct_volume
from napari_mri_cae.volume import Volume

SHAPE = (13, 22, 19)
NOISE = GaussianNoise(sigma=0.1)
CHAIN: tuple[Corruption, ...] = (
    GaussianNoise(sigma=0.05),
    RicianNoise(sigma=0.03),
    GaussianNoise(sigma=0.02, clip=True),
    PixelDropout(rate=0.1),
    GaussianBlur(sigma=0.7),
    BlankOut(size=4),
)
PATIENCE_S = 60
"""How long a test waits for another thread before it fails. No test is expected to wait."""


class Factor(torch.nn.Module):
    """Multiplies, so that its result is the same bits in any batch."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


class Gate(Factor):
    """Multiplies, but only when it is let."""

    def __init__(self, factor: float = 0.5) -> None:
        super().__init__(factor)
        self.entered = threading.Event()
        self.go = threading.Event()
        self.calls = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> "Gate":
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.entered.set()
        assert self.go.wait(PATIENCE_S)
        return super().forward(x)


def model_of(network: torch.nn.Module, **card: Any) -> Model:
    return Model(network.eval(), Card(name="test", architecture="test", **card))


def blurring() -> torch.nn.Module:
    """Return a convolution that smooths and brightens."""
    network = torch.nn.Conv2d(1, 1, 3, padding=1)
    network.weight.data[:] = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
    network.bias.data[:] = 0.02
    return network


def volume_of(shape: tuple[int, ...] = SHAPE) -> Volume:
    return Volume.from_array(np.random.default_rng(0).gamma(2, 100, shape), name="test")


HALF = model_of(Factor(0.5))


@pytest.fixture
def volume() -> Volume:
    return volume_of()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.go.set()


def in_thread(function: Callable[[], Any]) -> Future[Any]:
    """Call in another thread, which keeps nobody from ending should it hang."""
    future: Future[Any] = Future()

    def call() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return future


def slice_of(array: np.ndarray, plane: str, index: int) -> np.ndarray:
    where = {"axial": np.s_[index], "coronal": np.s_[:, index], "sagittal": np.s_[:, :, index]}
    return array[where[plane]]


def order_of(finished: Iterator[FinishedSlices]) -> list[int]:
    return [index for item in finished for index in item.indices]


def finish(comparison: Comparison) -> Comparison:
    for _ in comparison.run():
        pass
    assert comparison.is_complete
    return comparison


def assert_same(comparison: Comparison, other: Comparison) -> None:
    """Check that the finished slices of one are those of another, which is complete, to the last bit."""
    assert comparison.plane == other.plane
    assert len(comparison.done) == len(comparison.metrics) == other.n_slices
    for index in range(comparison.n_slices):
        row = comparison.metrics[index]
        assert row["slice"] == index
        if comparison.done[index]:
            assert row == other.metrics[index]
            for name in ("corrupted", "reconstructed", "residual"):
                ours, theirs = getattr(comparison, name), getattr(other, name)
                np.testing.assert_array_equal(
                    slice_of(ours, comparison.plane, index), slice_of(theirs, other.plane, index), name
                )
        else:
            assert all(math.isnan(row[column]) for column in columns())


# ---- numbers


@pytest.mark.parametrize("plane", PLANES)
def test_metrics_are_those_of_the_arrays(plane: Plane, volume: Volume) -> None:
    comparison = finish(Comparison(volume, model_of(blurring()), [NOISE], plane, exact=True))
    original = comparison.original
    np.testing.assert_array_equal(comparison.residual, original - comparison.reconstructed)
    assert np.abs(comparison.residual).max() > 0.01

    assert len(comparison.metrics) == comparison.n_slices == SHAPE[PLANES.index(plane)]
    summary = comparison.summary()
    for image in ("corrupted", "reconstructed"):
        volume_mse = skimage.metrics.mean_squared_error(original, getattr(comparison, image))
        assert summary[f"mse_{image}"] == pytest.approx(volume_mse, rel=1e-5)
        assert summary[f"psnr_{image}"] == pytest.approx(10 * math.log10(1 / volume_mse), abs=1e-4)
        similarities = []
        for row in comparison.metrics:
            pair = [
                slice_of(array, plane, row["slice"]).astype(np.float64)
                for array in (original, getattr(comparison, image))
            ]
            assert row[f"mse_{image}"] == pytest.approx(skimage.metrics.mean_squared_error(*pair), rel=1e-5)
            assert row[f"psnr_{image}"] == pytest.approx(
                skimage.metrics.peak_signal_noise_ratio(*pair, data_range=1), abs=1e-4
            )
            similarities.append(
                skimage.metrics.structural_similarity(
                    *pair, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
                )
            )
            assert row[f"ssim_{image}"] == pytest.approx(similarities[-1], abs=1e-4)
        assert summary[f"ssim_{image}"] == pytest.approx(np.mean(similarities), abs=1e-4)


@pytest.mark.parametrize("plane", PLANES)
def test_the_preview_is_what_a_whole_volume_gets(plane: Plane, volume: Volume) -> None:
    index = 5
    comparison = Comparison(volume, HALF, CHAIN, plane, seed=3)
    for _ in comparison.run(first=index, only_focus=True):
        pass
    preview = slice_of(comparison.corrupted, plane, index).copy()
    given = torch.from_numpy(slice_of(volume.normalized, plane, index).copy())[None, None]
    alone = corrupt(given, CHAIN, seed=3, plane=plane, indices=[index])
    np.testing.assert_array_equal(preview, alone[0, 0].numpy())
    finish(comparison)
    np.testing.assert_array_equal(slice_of(comparison.corrupted, plane, index), preview)
    np.testing.assert_array_equal(comparison.corrupted, corrupt_volume(volume, CHAIN, plane=plane, seed=3))


@pytest.mark.parametrize("batch_size", [3, 16])
@pytest.mark.parametrize("plane", PLANES)
def test_the_batch_size_makes_no_difference(
    plane: Plane, batch_size: int, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = finish(Comparison(volume, model_of(blurring()), CHAIN, plane, exact=True))
    monkeypatch.setattr(Reconstructor, "batch_size", property(lambda _: batch_size))
    many = Comparison(volume, model_of(blurring()), CHAIN, plane, exact=True)
    sizes = [len(finished.indices) for finished in many.run(first=2)]
    assert sizes[:2] == [1, min(batch_size, many.n_slices - 1)]
    assert sum(sizes) == many.n_slices
    np.testing.assert_array_equal(many.corrupted, one.corrupted)
    np.testing.assert_allclose(many.reconstructed, one.reconstructed, atol=1e-6)
    np.testing.assert_array_equal(many.residual, many.original - many.reconstructed)
    for column in columns():
        np.testing.assert_allclose(many.metrics[column], one.metrics[column], atol=1e-5)


def test_a_perfect_reconstruction() -> None:
    comparison = finish(Comparison(volume_of(), model_of(torch.nn.Identity())))
    np.testing.assert_array_equal(comparison.reconstructed, comparison.original)
    assert not comparison.residual.any()
    summary = comparison.summary()
    for image in ("corrupted", "reconstructed"):
        assert summary[f"mse_{image}"] == 0
        assert summary[f"psnr_{image}"] == summary[f"psnr_slices_{image}"] == math.inf
        assert summary[f"ssim_{image}"] == 1


def test_a_summary_of_nothing_is_unknown(volume: Volume) -> None:
    summary = Comparison(volume, HALF).summary()
    assert (summary["n_slices"], summary["n_slices_done"]) == (SHAPE[0], 0)
    assert math.isnan(summary["psnr_reconstructed"])


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("shape", [(1, 20, 17), (5, 1, 7), (3, 4, 1), (1, 1, 2), (7, 9, 5)])
def test_small_and_odd_volumes(shape: tuple[int, int, int], plane: Plane) -> None:
    model = model_of(blurring(), multiple_of=8, intensity="slice-min-max")
    comparison = finish(Comparison(volume_of(shape), model, [NOISE, GaussianBlur(sigma=1)], plane))
    assert comparison.n_slices == shape[PLANES.index(plane)]
    for array in (comparison.corrupted, comparison.reconstructed, comparison.residual):
        assert array.shape == shape
        assert np.isfinite(array).all()
    np.testing.assert_array_equal(comparison.residual, comparison.original - comparison.reconstructed)
    for column in columns():
        assert np.isfinite(comparison.metrics[column]).all()
    assert (comparison.metrics["ssim_reconstructed"] <= 1 + 1e-6).all()


@pytest.mark.parametrize("intensity", ["volume", "slice-min-max", "slice-percentile", "slice-z-score"])
def test_a_constant_volume(intensity: str) -> None:
    constant = Volume.from_array(np.full(SHAPE, 7.0))
    clean = finish(Comparison(constant, model_of(torch.nn.Identity(), intensity=intensity)))
    assert not clean.original.any()
    assert clean.summary()["psnr_reconstructed"] == math.inf
    noisy = finish(Comparison(constant, model_of(torch.nn.Identity(), intensity=intensity), [NOISE]))
    assert noisy.summary()["psnr_corrupted"] == pytest.approx(20, abs=0.3)  # sigma is 0.1
    assert noisy.summary()["psnr_reconstructed"] == pytest.approx(noisy.summary()["psnr_corrupted"], abs=1e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_volume_with_holes(bad: float) -> None:
    data = np.random.default_rng(0).gamma(2, 100, SHAPE)
    data[6] = data[:, 4, 3] = bad
    comparison = finish(Comparison(Volume.from_array(data), model_of(blurring()), CHAIN))
    assert (comparison.original[6] == (bad == np.inf)).all()
    for array in (comparison.original, comparison.corrupted, comparison.reconstructed, comparison.residual):
        assert np.isfinite(array).all()
    assert all(np.isfinite(value) for value in comparison.summary().values())


def test_the_arrays_are_allocated_once(volume: Volume) -> None:
    comparison = Comparison(volume, HALF, CHAIN)
    before = volume.normalized.copy()
    names = ("original", "corrupted", "reconstructed", "residual")
    arrays = [getattr(comparison, name) for name in names]
    assert comparison.original is volume.normalized
    assert len({array.__array_interface__["data"][0] for array in arrays}) == 4
    for array in arrays:
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        assert array.shape == SHAPE
    finish(comparison)
    comparison.change(plane="sagittal", seed=1, model=model_of(blurring()))
    finish(comparison)
    assert all(getattr(comparison, name) is array for name, array in zip(names, arrays, strict=True))
    np.testing.assert_array_equal(volume.normalized, before)


# ---- order of work


def test_the_focus_comes_first_and_then_outward(volume: Volume) -> None:
    comparison = Comparison(volume, HALF)
    assert comparison.focus == SHAPE[0] // 2
    assert order_of(comparison.run(first=2)) == [2, 1, 3, 0, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert comparison.focus == 2
    assert order_of(comparison.run(first=8)) == []


@pytest.mark.parametrize(("first", "expected"), [(99, SHAPE[0] - 1), (-3, 0)])
def test_a_focus_beyond_the_volume_is_its_last_slice(first: int, expected: int, volume: Volume) -> None:
    comparison = Comparison(volume, HALF)
    assert next(comparison.run(first=first)).indices == (expected,)


def test_the_queue_follows_the_focus(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reconstructor, "batch_size", property(lambda _: 4))
    comparison = Comparison(volume, HALF)
    work = comparison.run(first=2)
    assert next(work).indices == (2,)
    assert next(work).indices == (1, 3, 0, 4)
    comparison.focus = 11
    assert next(work).indices == (11,)
    assert next(work).indices == (10, 12, 9, 8)
    comparison.focus = 3  # done already: its neighbours are next
    assert next(work).indices == (5, 6, 7)
    assert next(work, None) is None


def test_only_the_focus(volume: Volume) -> None:
    comparison = Comparison(volume, HALF, [NOISE])
    assert order_of(comparison.run(first=3, only_focus=True)) == [3]
    assert list(np.flatnonzero(comparison.done)) == [3]
    assert order_of(comparison.run(only_focus=True)) == []
    work = comparison.run(first=7, only_focus=True)
    assert next(work).indices == (7,)
    comparison.change(seed=1)
    assert next(work).indices == (7,)
    assert next(work, None) is None
    assert list(np.flatnonzero(comparison.done)) == [7]


def test_stopping_and_going_on(volume: Volume) -> None:
    comparison = Comparison(volume, HALF, CHAIN)
    first = []
    for finished in comparison.run(first=4):
        first += finished.indices
        if len(first) == 3:
            break
    assert set(np.flatnonzero(comparison.done)) == set(first) == {3, 4, 5}
    assert_same(comparison, finish(Comparison(volume, HALF, CHAIN)))
    assert sorted(first + order_of(comparison.run())) == list(range(SHAPE[0]))
    assert_same(comparison, finish(Comparison(volume, HALF, CHAIN)))


def test_cancelling_between_batches(volume: Volume) -> None:
    comparison = Comparison(volume, HALF, CHAIN)
    for finished in comparison.run(first=4):
        if finished.indices == (3,):
            comparison.cancel()
    assert list(np.flatnonzero(comparison.done)) == [3, 4]
    assert_same(comparison, finish(Comparison(volume, HALF, CHAIN)))
    assert_same(finish(comparison), finish(Comparison(volume, HALF, CHAIN)))


def test_cancelling_during_a_batch(volume: Volume, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reconstructor, "batch_size", property(lambda _: 4))
    comparison = Comparison(volume, model_of(gate), CHAIN)
    work = in_thread(lambda: order_of(comparison.run(first=2)))
    assert gate.entered.wait(PATIENCE_S)
    comparison.cancel()
    gate.go.set()
    assert work.result(PATIENCE_S) == [2]
    assert gate.calls == 1
    assert list(np.flatnonzero(comparison.done)) == [2]
    untouched = np.delete(np.arange(SHAPE[0]), 2)
    for array in (comparison.corrupted, comparison.reconstructed, comparison.residual):
        assert not array[untouched].any()
    assert_same(comparison, finish(Comparison(volume, HALF, CHAIN)))


def test_an_error_of_settings_that_are_gone_is_nobodys(volume: Volume) -> None:
    class Broken(Gate):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            super().forward(x)
            raise ValueError("broken")

    broken = Broken()
    comparison = Comparison(volume, model_of(broken), CHAIN)
    work = in_thread(lambda: order_of(comparison.run(first=2)))
    assert broken.entered.wait(PATIENCE_S)
    comparison.change(model=HALF)
    broken.go.set()
    assert sorted(work.result(PATIENCE_S)) == list(range(SHAPE[0]))
    assert_same(comparison, finish(Comparison(volume, HALF, CHAIN)))


def test_after_a_change_the_slices_out_of_focus_wait(volume: Volume) -> None:
    comparison = Comparison(volume, HALF, [NOISE])
    comparison.change(seed=1)
    finished: queue.Queue[tuple[int, ...]] = queue.Queue()

    def work() -> int:
        for item in comparison.run(first=3, background_delay=1e6):
            finished.put(item.indices)
        return int(comparison.done.sum())

    result = in_thread(work)
    try:
        assert finished.get(timeout=PATIENCE_S) == (3,)
        comparison.focus = 9
        assert finished.get(timeout=PATIENCE_S) == (9,)
        comparison.change(corruptions=[])
        assert finished.get(timeout=PATIENCE_S) == (9,)
    finally:
        comparison.cancel()
    assert result.result(PATIENCE_S) == 1
    assert finished.empty()


def test_the_slices_out_of_focus_follow_when_it_is_quiet(volume: Volume) -> None:
    comparison = Comparison(volume, HALF, [NOISE])
    comparison.change(seed=1)
    assert order_of(comparison.run(first=0, background_delay=0.01)) == list(range(SHAPE[0]))
    assert_same(comparison, finish(Comparison(volume, HALF, [NOISE], seed=1)))


# ---- changes


CHANGES: list[dict[str, Any]] = [
    {"corruptions": [NOISE, PixelDropout(rate=0.2)]},
    {"corruptions": []},
    {"seed": 5},
    {"plane": "sagittal"},
    {"plane": "coronal", "seed": 1},
    {"model": model_of(Factor(0.9))},
    {"exact": True},
    {"device": "cpu"},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_change_between_batches_drops_what_is_stale(change: dict[str, Any], volume: Volume) -> None:
    comparison = Comparison(volume, HALF, [NOISE])
    fresh = finish(Comparison(volume, **{"model": HALF, "corruptions": [NOISE], **change}))
    work = comparison.run(first=4)
    stale = [next(work) for _ in range(3)]
    kept = [item.metrics.copy() for item in stale]
    assert comparison.change(**change)
    assert not comparison.done.any()
    assert_same(comparison, fresh)
    expected = fresh.n_slices // 2 if "plane" in change else 4
    assert comparison.focus == expected
    order = order_of(work)
    assert order[0] == expected
    assert sorted(order) == list(range(fresh.n_slices))
    assert_same(comparison, fresh)
    # What has been handed out belongs to whoever has it.
    for item, metrics in zip(stale, kept, strict=True):
        np.testing.assert_array_equal(item.metrics, metrics)


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_change_during_a_batch_drops_that_batch(change: dict[str, Any], volume: Volume, gate: Gate) -> None:
    model = model_of(gate)
    comparison = Comparison(volume, model, [NOISE])
    work = in_thread(lambda: list(comparison.run(first=4)))
    assert gate.entered.wait(PATIENCE_S)
    comparison.change(corruptions=CHAIN, seed=99)
    comparison.change(corruptions=[NOISE], seed=0)
    assert comparison.change(**change)
    assert not comparison.done.any()
    gate.go.set()
    finished = work.result(PATIENCE_S)
    fresh = finish(Comparison(volume, **{"model": HALF, "corruptions": [NOISE], **change}))
    assert sorted(order_of(iter(finished))) == list(range(fresh.n_slices))
    assert finished[0].indices == (fresh.n_slices // 2 if "plane" in change else 4,)
    for item in finished:
        np.testing.assert_array_equal(item.metrics, fresh.metrics[list(item.indices)])
    assert_same(comparison, fresh)
    assert gate.calls == (1 if "model" in change else 1 + fresh.n_slices)


def test_the_arithmetic_follows_the_settings(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    class TellAutocast(torch.nn.Module):
        """1 where it runs in a reduced precision, 0 where in float32."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.full_like(x, torch.is_autocast_enabled("cpu"))

    monkeypatch.setattr(devices, "_fastest_precision", lambda _: "bfloat16")
    comparison = finish(Comparison(volume, model_of(TellAutocast()), device="cpu"))
    assert (comparison.reconstructed == 1).all()
    assert comparison.device_description.endswith("bfloat16")
    comparison.change(exact=True)
    assert (finish(comparison).reconstructed == 0).all()
    assert comparison.device_description.endswith("float32")
    comparison.change(exact=False)
    assert (finish(comparison).reconstructed == 1).all()


def test_the_same_settings_are_no_change(volume: Volume) -> None:
    comparison = Comparison(volume, HALF, [NOISE], seed=2)
    finish(comparison)
    assert not comparison.change()
    assert not comparison.change(
        model=HALF, corruptions=[GaussianNoise(sigma=0.1)], plane="axial", seed=2, device="auto", exact=False
    )
    assert comparison.is_complete


def test_another_plane_starts_another_table(volume: Volume) -> None:
    comparison = finish(Comparison(volume, HALF))
    assert comparison.change(plane="coronal")
    assert comparison.plane == "coronal"
    assert comparison.n_slices == len(comparison.done) == len(comparison.metrics) == SHAPE[1]
    assert comparison.focus == SHAPE[1] // 2
    assert list(comparison.metrics["slice"]) == list(range(SHAPE[1]))
    assert not comparison.done.any()
    assert comparison.summary()["n_slices_done"] == 0


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        ({"plane": "oblique"}, r"'oblique' is not a plane: choose axial, coronal or sagittal\."),
        ({"device": "abacus"}, r"This machine has no device 'abacus': choose auto, .*cpu\."),
        ({"model": "no-such-model"}, "there is no model 'no-such-model'"),
        ({"seed": -1}, r"-1 is no seed: choose a whole number from 0 to 2\*\*64 - 1\."),
        ({"seed": 2**64}, "is no seed"),
    ],
)
def test_a_refused_setting_changes_nothing(refused: dict[str, Any], sentence: str, volume: Volume) -> None:
    with pytest.raises(InputError, match=sentence):
        Comparison(volume, **{"model": HALF, **refused})
    comparison = finish(Comparison(volume, HALF, [NOISE], seed=2))
    with pytest.raises(InputError, match=sentence):
        comparison.change(**{"seed": 3, "corruptions": [], "exact": True, **refused})
    assert comparison.is_complete
    assert comparison.model is HALF
    assert (comparison.corruptions, comparison.seed) == ((NOISE,), 2)
    assert (comparison.plane, comparison.device) == ("axial", "auto")
    assert_same(comparison, finish(Comparison(volume, HALF, [NOISE], seed=2)))


@pytest.mark.parametrize(("name", "called"), [("sub-01_bold", "sub-01_bold"), ("", "The volume")])
def test_a_series_is_refused(name: str, called: str) -> None:
    series = Volume.from_array(np.random.default_rng(0).random((3, 4, 5, 6)), name=name)
    with pytest.raises(InputError, match=rf"^{called} is a series of 3 volumes: compare one of them"):
        Comparison(series, HALF)
    frame = finish(Comparison(series.frame(1), HALF))
    assert frame.original.shape == (4, 5, 6)


_PLANE = st.sampled_from(PLANES)
_CORRUPTIONS = st.sampled_from([(), (NOISE,), (NOISE, NOISE), (BlankOut(size=2), NOISE)])
_MODELS = [HALF, model_of(Factor(0.9))]
_TINY = (3, 5, 4)


@cache
def _expected(plane: Plane, corruptions: tuple[Corruption, ...], seed: int, model: int) -> Comparison:
    return finish(Comparison(volume_of(_TINY), _MODELS[model], corruptions, plane, seed))


_ACTION = st.one_of(
    st.tuples(st.just("steps"), st.integers(1, 4)),
    st.tuples(st.just("focus"), st.integers(0, max(_TINY))),
    st.tuples(st.just("plane"), _PLANE),
    st.tuples(st.just("corruptions"), _CORRUPTIONS),
    st.tuples(st.just("seed"), st.integers(0, 1)),
    st.tuples(st.just("model"), st.integers(0, 1)),
    st.tuples(st.just("cancel"), st.none()),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(_ACTION, max_size=12))
def test_finished_slices_are_right_after_any_history(actions: list[tuple[str, Any]]) -> None:
    comparison = Comparison(volume_of(_TINY), _MODELS[0])
    now: dict[str, Any] = {"plane": "axial", "corruptions": (), "seed": 0, "model": 0}
    work = comparison.run()
    for name, value in actions:
        if name == "steps":
            for _ in range(value):
                expected = next_slices(comparison.done, comparison.focus, 1)
                finished = next(work, None)
                if finished is None:  # complete, or cancelled
                    work = comparison.run()
                else:
                    assert finished.indices == expected
        elif name == "focus":
            comparison.focus = value
            assert comparison.focus == min(value, comparison.n_slices - 1)
        elif name == "cancel":
            comparison.cancel()
        else:
            changed = comparison.change(**{name: _MODELS[value] if name == "model" else value})
            assert changed == (value != now[name])
            now[name] = value
        assert_same(comparison, _expected(**now))
    work.close()
    assert_same(finish(comparison), _expected(**now))


# ---- what a comparison says about itself


def test_a_snapshot_stays_as_it_is(volume: Volume) -> None:
    comparison = Comparison(volume, HALF, [NOISE])
    for finished in comparison.run(first=4):
        if finished.indices == (5,):
            break
    snapshot = comparison.snapshot()
    before = {name: getattr(snapshot, name).copy() for name in ("corrupted", "reconstructed", "residual")}
    summary = snapshot.summary()
    comparison.change(corruptions=CHAIN)
    finish(comparison)
    comparison.change(seed=7, plane="coronal")
    finish(comparison)
    assert list(np.flatnonzero(snapshot.done)) == [3, 4, 5]
    assert (snapshot.seed, snapshot.plane, snapshot.corruptions) == (0, "axial", (NOISE,))
    assert snapshot.provenance()["seed"] == 0
    assert snapshot.summary() == summary
    for name, array in before.items():
        np.testing.assert_array_equal(getattr(snapshot, name), array)
    assert snapshot.original is comparison.original
    # Nor does it reach back.
    assert_same(finish(snapshot), finish(Comparison(volume, HALF, [NOISE])))
    assert_same(comparison, finish(Comparison(volume, HALF, CHAIN, "coronal", 7)))


def test_the_device_in_use_is_named(volume: Volume) -> None:
    comparison = Comparison(volume, HALF, device="cpu")
    assert comparison.device_description == resolve_device("cpu").description
    assert comparison.change(exact=True)
    assert comparison.device_description == resolve_device("cpu", exact=True).description
    assert comparison.device_description.endswith("float32")


def test_provenance_is_json() -> None:
    data = np.random.default_rng(0).gamma(2, 100, SHAPE)
    data[0, 0, 0] = np.nan
    volume = Volume.from_array(data, name="sub-01")
    comparison = Comparison(volume, HALF, CHAIN, "coronal", int(np.int64(11)), "cpu")
    comparison.change(seed=np.int64(12))  # type: ignore[arg-type]
    told = json.loads(json.dumps(comparison.provenance(), allow_nan=False))
    assert [Corruption.from_dict(record) for record in told["corruptions"]] == list(CHAIN)
    assert (told["plane"], told["seed"]) == ("coronal", 12)
    assert told["device"] == comparison.device_description
    assert told["model"]["name"] == "test"
    assert told["volume"]["name"] == "sub-01"
    assert told["volume"]["shape"] == list(SHAPE)
    assert told["volume"]["window"]["low"] == pytest.approx(volume.window.low)
    assert told["volume"]["window"]["high"] == pytest.approx(volume.window.high)
    assert told["versions"]["torch"]


def test_provenance_of_a_volume_without_a_value() -> None:
    nothing = Volume.from_array(np.full(SHAPE, np.nan))
    json.dumps(finish(Comparison(nothing, HALF)).provenance(), allow_nan=False)


def test_two_models_reconstruct_the_same_corrupted_slices(volume: Volume) -> None:
    first, second = model_of(Factor(0.5)), model_of(Factor(0.25))
    both = finish(Comparison(volume, first, [GaussianNoise(sigma=0.05)], second_model=second))
    alone = finish(Comparison(volume, second, [GaussianNoise(sigma=0.05)]))
    assert both.second_model is second
    assert both.reconstructed_2 is not None
    assert both.residual_2 is not None
    np.testing.assert_array_equal(both.corrupted, alone.corrupted)
    np.testing.assert_array_equal(both.reconstructed_2, alone.reconstructed)
    np.testing.assert_array_equal(both.residual_2, alone.residual)
    for metric in ("psnr", "ssim", "mse"):
        np.testing.assert_array_equal(
            both.metrics[f"{metric}_reconstructed_2"], alone.metrics[f"{metric}_reconstructed"]
        )
    assert both.summary()["psnr_reconstructed_2"] == alone.summary()["psnr_reconstructed"]
    assert both.provenance()["second_model"] == alone.provenance()["model"]


def test_a_second_model_comes_and_goes(volume: Volume) -> None:
    comparison = finish(Comparison(volume, model_of(Factor(0.5))))
    assert comparison.compare_with(model_of(Factor(0.25)))
    assert not comparison.done.any()
    finish(comparison)
    assert "psnr_reconstructed_2" in comparison.summary()
    assert comparison.compare_with(None)
    assert comparison.reconstructed_2 is None
    assert "psnr_reconstructed_2" not in finish(comparison).summary()
    assert not comparison.compare_with(None)


class SliceBefore(torch.nn.Module):
    """Returns half of the slice before; of a slice that comes alone, nothing."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 0.5 * x[:, :1] if x.shape[1] == 3 else torch.zeros_like(x)


@pytest.mark.parametrize("plane", PLANES)
def test_a_model_that_looks_at_neighbours(plane: Plane, volume: Volume) -> None:
    model = model_of(SliceBefore(), architecture_parameters={"neighbours": 1})
    noise = [GaussianNoise(sigma=0.05)]
    comparison = finish(Comparison(volume, model, noise, plane, second_model=HALF))
    axis = PLANES.index(plane)
    corrupted, reconstructed = (
        np.moveaxis(array, axis, 0) for array in (comparison.corrupted, comparison.reconstructed)
    )
    np.testing.assert_array_equal(comparison.corrupted, corrupt_volume(volume, noise, plane=plane))
    np.testing.assert_array_equal(reconstructed[1:], 0.5 * corrupted[:-1])
    assert not reconstructed[0].any()
    # The other one sees the slices alone.
    np.testing.assert_array_equal(comparison.reconstructed_2, 0.5 * comparison.corrupted)
    # A reconstruction of the corrupted volume is the same.
    whole = reconstruct_volume(comparison.corrupted, Reconstructor(model, "cpu"), plane=plane)
    np.testing.assert_array_equal(whole, comparison.reconstructed)
    # And so is it after a change that leaves nothing as it was.
    comparison.change(seed=5)
    finish(comparison)
    corrupted, reconstructed = (
        np.moveaxis(array, axis, 0) for array in (comparison.corrupted, comparison.reconstructed)
    )
    np.testing.assert_array_equal(reconstructed[1:], 0.5 * corrupted[:-1])
