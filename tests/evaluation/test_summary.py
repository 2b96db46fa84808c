"""Means and standard deviations, against pandas."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from napari_mri_cae.evaluation import compare_models, summarize


def test_against_pandas(row: Callable, rng: np.random.Generator) -> None:
    rows = [
        row(float(rng.uniform(20, 40)), model=model, region=region, corruption=corruption, slice=index)
        for corruption in ("noise", "blur")
        for index in range(5)
        for model in ("first", "second")
        for region in ("whole slice", "brain")
    ]
    frame = pd.DataFrame(rows).groupby(["region", "corruption", "model"])
    means, deviations = frame.mean(numeric_only=True), frame.std(numeric_only=True)
    summaries = summarize(rows)
    assert len(summaries) == len(means) == 8
    for one in summaries:
        for metric in ("psnr", "ssim", "dssim", "mse"):
            key = one.region, one.corruption, one.model
            assert one.mean[metric] == pytest.approx(means.loc[key, metric])
            assert one.sd[metric] == pytest.approx(deviations.loc[key, metric])
        assert (one.n_slices, one.n_subjects, one.n_infinite) == (5, 1, 0)


def test_slices_that_a_corruption_left_as_they_were(row: Callable) -> None:
    untouched = {"slice": 1, "mse": 0.0, "ssim": 1.0, "dssim": 0.0}
    rows = [
        row(30.0, model="identity"),
        row(35.0, model="net"),
        row(math.inf, model="identity", **untouched),
        # What the network does to a slice that nothing happened to is no part of its mean.
        row(80.0, model="net", slice=1),
    ]
    for one, psnr in zip(summarize(rows), (30, 35), strict=True):
        assert (one.n_slices, one.n_unchanged, one.n_infinite, one.mean["psnr"]) == (1, 1, 0, psnr)
    clean = [one._replace(kind="none", corruption="none") for one in rows]
    assert [one.n_slices for one in summarize(clean)] == [2, 2]
    (test,) = compare_models(rows, unit="slice")
    assert (test.n, test.n_left_out) == (1, 0)


def test_equal_slices_and_slices_without_brain(row: Callable) -> None:
    nothing = row(math.nan, ssim=math.nan, dssim=math.nan, mse=math.nan, pixels=0)
    equal = row(math.inf, ssim=1.0, dssim=0.0, mse=0.0)
    (one,) = summarize([row(30.0, ssim=0.5), equal, nothing])
    assert (one.n_slices, one.n_infinite) == (2, 1)
    assert one.mean["psnr"] == 30
    assert one.mean["ssim"] == 0.75
    assert math.isnan(one.sd["psnr"])
    (only_equal,) = summarize([equal])
    assert only_equal.mean["psnr"] == math.inf
    assert summarize([nothing]) == []
