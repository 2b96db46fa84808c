"""The published numbers of the uoc2021 models, again: imported models over IXI volumes.

    python benchmarks/published_numbers.py MODELS VOLUME ... [--orientations] [--variants] [--step N]

MODELS is a folder of the published Keras files, or one of them. The protocol is the thesis's: sagittal
slices, superior up and anterior left, those with enough brain, resized to 128 x 128 bilinearly, each
min-max scaled to [0, 1] without clipping; PSNR, DSSIM and MSE of what the model makes of a clean slice,
with data range 1, averaged over slices. The published numbers are from 4824 test slices of volumes of 0.94
x 0.94 x 1.2 mm.

The thesis took slices with brain in more than 4.5 % of their pixels, by a brain mask: 102 slices of 1.2 mm
of each volume. There is no mask here; taken are the slices within 61 mm of the middle of the head.

docs/published-models.md says what came out.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from napari_mri_cae import Volume
from napari_mri_cae.errors import InputError
from napari_mri_cae.intensity import scale
from napari_mri_cae.metrics import compare
from napari_mri_cae.models import Model, import_keras
from napari_mri_cae.models.keras import SUFFIXES
from napari_mri_cae.reconstruction.size import fit_size

HALF_WIDTH_MM = 61.0
SIZE = 128
BATCH = 16

# What a slice in the right pose, (N, 1, rows from superior, columns from anterior), becomes.
ORIENTATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "superior up, anterior left": lambda x: x,
    "superior up, anterior right": lambda x: x.flip(-1),
    "superior down, anterior left": lambda x: x.flip(-2),
    "superior down, anterior right": lambda x: x.flip(-1, -2),
    "superior left, anterior up": lambda x: x.mT,
    "superior right, anterior up": lambda x: x.mT.flip(-1),
    "superior left, anterior down": lambda x: x.mT.flip(-2),
    "superior right, anterior down": lambda x: x.mT.flip(-1, -2),
}


# Mean squared errors as published; PSNR and DSSIM are on the cards.
PUBLISHED_MSE = {
    "UOC 2021 residual U-Net, MSE, augmented": 3.44e-5,
    "UOC 2021 shallow residual, full pre-activation, MSE, augmented": 1.51e-4,
    "UOC 2021 skip connection, MSE, L2, augmented": 2.25e-4,
    "UOC 2021 skip connection, MSE, augmented": 2.99e-4,
    "UOC 2021 residual U-Net, DSSIM, augmented": 7.49e-5,
    "UOC 2021 skip connection, MSE": 1.07e-5,
    "UOC 2021 shallow residual, full pre-activation, MSE": 3.82e-5,
    "UOC 2021 shallow residual, original block, MSE": 1.09e-4,
}


def resize(slices: Tensor, mode: str = "bilinear") -> Tensor:
    """Resize to 128 x 128 as TensorFlow does: without antialiasing."""
    return functional.interpolate(slices, size=(SIZE, SIZE), mode=mode, align_corners=False)


def bicubic(slices: Tensor) -> Tensor:
    """Resize bicubically, without going below what there was."""
    return resize(slices, "bicubic").maximum(slices.amin((1, 2, 3), keepdim=True))


def pad(slices: Tensor) -> Tensor:
    """Pad to 128 x 128 with the edge, and resize only what is larger than that."""
    return fit_size(slices, fixed_size=(SIZE, SIZE))[0]


def eight_bits(slices: Tensor) -> Tensor:
    """Round as the thesis did on the way, where slices were PNG files; then resize."""
    return resize((scale(slices, "slice-min-max")[0] * 255).round() / 255)


def clipped(slices: Tensor) -> Tensor:
    """Clip at the 99.95th percentile of all slices of the volume; then resize."""
    return resize(slices.clamp(max=float(np.percentile(slices.numpy(), 99.95))))


def blurred(slices: Tensor) -> Tensor:
    """Resize, then blur a little: a Gaussian of half a pixel."""
    taps = torch.exp(-torch.tensor([2.0, 0.0, 2.0]))
    taps = taps / taps.sum()
    padded = functional.pad(resize(slices), (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(padded, (taps[:, None] * taps).view(1, 1, 3, 3))


# How slices come to 128 x 128. The first is the protocol.
VARIANTS: dict[str, Callable[[Tensor], Tensor]] = {
    "bilinear": resize,
    "bilinear, from 8 bits": eight_bits,
    "bilinear, clipped at 99.95 %": clipped,
    "bilinear, then blurred": blurred,
    "padded, not resized": pad,
    "bicubic": bicubic,
}


def sagittal_slices(path: Path, step: int) -> Tensor:
    """Return the slices around the middle of the head, (N, 1, H, W), in the file's own intensities."""
    volume = Volume.load(path)
    voxels = np.moveaxis(volume.data, 2, 0)
    share = (np.moveaxis(volume.normalized, 2, 0) > 0.1).mean(axis=(1, 2))
    middle = float((share * np.arange(len(share))).sum() / share.sum())
    reach = HALF_WIDTH_MM / volume.spacing[2]
    indices = range(max(0, round(middle - reach)), min(len(voxels), round(middle + reach) + 1), step)
    return torch.from_numpy(np.ascontiguousarray(voxels[list(indices)]))[:, None]


def measure(model: Model, slices: Tensor) -> dict[str, float]:
    """Return the mean PSNR, DSSIM and MSE over slices (N, 1, 128, 128) in [0, 1]."""
    parts: dict[str, list[Tensor]] = {"psnr": [], "dssim": [], "mse": []}
    with torch.inference_mode():
        for batch in slices.split(BATCH):
            (metrics,) = compare(batch, [model.network(batch)], data_range=1.0)
            for name, values in parts.items():
                values.append(getattr(metrics, name))
    return {name: float(torch.cat(values).mean()) for name, values in parts.items()}


def rows(
    model: Model, originals: list[Tensor], arguments: argparse.Namespace
) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield what was done to the slices, and what was measured."""

    def prepared(variant: str, orientation: str) -> Tensor:
        turned = [ORIENTATIONS[orientation](VARIANTS[variant](slices)) for slices in originals]
        return scale(torch.cat(turned).contiguous(), "slice-min-max")[0]

    first_variant, first_orientation = next(iter(VARIANTS)), next(iter(ORIENTATIONS))
    yield first_orientation, measure(model, prepared(first_variant, first_orientation))
    if arguments.orientations:
        for orientation in list(ORIENTATIONS)[1:]:
            yield orientation, measure(model, prepared(first_variant, orientation))
    if arguments.variants:
        for variant in list(VARIANTS)[1:]:
            yield variant, measure(model, prepared(variant, first_orientation))


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("volumes", nargs="+", type=Path)
    parser.add_argument("--orientations", action="store_true", help="the wrong ones as well")
    parser.add_argument("--variants", action="store_true", help="other ways to prepare slices as well")
    parser.add_argument("--step", type=int, default=1, help="take every N-th slice")
    arguments = parser.parse_args()
    files = sorted(arguments.models.iterdir()) if arguments.models.is_dir() else [arguments.models]
    originals = [sagittal_slices(path, arguments.step) for path in arguments.volumes]
    count = sum(len(slices) for slices in originals)
    print(f"{len(originals)} volumes, {count} slices\n")
    print(f"{'':32} {'PSNR dB':>16} {'DSSIM':>20} {'MSE':>20}")
    print(f"{'':32} {'publ.':>8}{'here':>8} {'publ.':>10}{'here':>10} {'publ.':>10}{'here':>10}")
    for path in files:
        if path.suffix not in SUFFIXES:
            continue
        model = import_keras(path)
        title = model.card.title
        print(title)
        told = ("", "", "")
        if model.card.metrics and title in PUBLISHED_MSE:
            row = model.card.metrics[0]
            assert row.ssim_reconstructed is not None
            dssim = (1 - row.ssim_reconstructed) / 2
            told = (f"{row.psnr_reconstructed:.1f}", f"{dssim:.2e}", f"{PUBLISHED_MSE[title]:.2e}")
        for what, measured in rows(model, originals, arguments):
            print(
                f"  {what:30} {told[0]:>8}{measured['psnr']:8.2f} {told[1]:>10}{measured['dssim']:10.2e}"
                f" {told[2]:>10}{measured['mse']:10.2e}",
                flush=True,
            )
            told = ("", "", "")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
