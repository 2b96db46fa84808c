"""Measure a denoiser on volumes that it has not seen.

Prints, for each data set, plane and noise level, the mean PSNR and SSIM of the noisy slices, of the model's
reconstructions and, if asked, of non-local means, on the volume scale (data range 1), over whole slices
around the middle of each volume. The noise is that of the viewer: a function of seed, plane and slice.

    python benchmarks/evaluate_denoiser.py --model denoiser-any \
        --data ds002748 sub-16_T1w.nii.gz sub-44_T1w.nii.gz --data ds000011 sub-11_T1w.nii.gz --nlm

With --write-card the table goes into the card of the model file.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from napari_mri_cae import InputError, Model, Volume, load_model
from napari_mri_cae.corruptions import Corruption, GaussianNoise, RicianNoise, corrupt
from napari_mri_cae.metrics import psnr, ssim
from napari_mri_cae.models import Measurement, save_model
from napari_mri_cae.planes import PLANES, Plane, plane_axis
from napari_mri_cae.reconstruction import Reconstructor
from napari_mri_cae.training.data import subject_of

NOISES = {"gaussian": GaussianNoise, "rician": RicianNoise}


def middle_slices(volume: Volume, plane: Plane, count: int, step: int) -> tuple[Tensor, list[int]]:
    """Return `count` slices, `step` apart, around the middle of a volume, (N, 1, H, W), and their indices."""
    voxels = np.moveaxis(volume.normalized, plane_axis(plane), 0)
    middle = len(voxels) // 2
    indices = [middle + step * (number - count // 2) for number in range(count)]
    return torch.from_numpy(np.ascontiguousarray(voxels[indices]))[:, None], indices


def non_local_means(noisy: Tensor, sigma: float) -> Tensor:
    """Return slices denoised by scikit-image's non-local means, which is told the strength of the noise."""
    from skimage.restoration import denoise_nl_means

    return torch.stack(
        [
            torch.from_numpy(
                denoise_nl_means(
                    image.numpy(), patch_size=5, patch_distance=6, h=0.8 * sigma, sigma=sigma, fast_mode=True
                )
            )[None]
            for image in noisy[:, 0]
        ]
    ).float()


def corruptions(names: list[str], sigmas: list[float]) -> Iterator[Corruption | None]:
    """Return what is measured: the clean slice, then each noise at each strength."""
    yield None
    for name in names:
        for sigma in sigmas:
            yield NOISES[name](sigma=sigma)


def measure(
    model: Model,
    groups: dict[str, list[Path]],
    arguments: argparse.Namespace,
) -> Iterator[tuple[Measurement, float | None]]:
    """Measure each combination; with each measurement comes non-local means' PSNR, if it was asked for."""
    reconstruct = Reconstructor(model, exact=arguments.exact)
    for data, paths in groups.items():
        volumes = [Volume.load(path) for path in paths]
        for plane in arguments.planes:
            for corruption in corruptions(arguments.noises, arguments.sigmas):
                before, after, classic = [], [], []
                for volume in volumes:
                    clean, indices = middle_slices(volume, plane, arguments.slices, arguments.step)
                    chain = [corruption] if corruption else []
                    noisy = corrupt(clean, chain, seed=arguments.seed, plane=plane, indices=indices)
                    output = torch.cat([reconstruct(image[None]) for image in noisy]).cpu()
                    before.append(scores(clean, noisy))
                    after.append(scores(clean, output))
                    if arguments.nlm and corruption:
                        classic.append(scores(clean, non_local_means(noisy, corruption.sigma)))
                noisy_scores, model_scores = (
                    torch.cat(parts, 1).mean(1).tolist() for parts in (before, after)
                )
                measurement = Measurement(
                    data=data,
                    subjects=tuple(subject_of(path) for path in paths),
                    plane=plane,
                    corruption=f"{corruption.kind} sigma={corruption.sigma:g}" if corruption else "none",
                    slices=arguments.slices * len(paths),
                    psnr_corrupted=round(noisy_scores[0], 2) if corruption else None,
                    psnr_reconstructed=round(model_scores[0], 2),
                    ssim_corrupted=round(noisy_scores[1], 4) if corruption else None,
                    ssim_reconstructed=round(model_scores[1], 4),
                )
                yield measurement, float(torch.cat(classic, 1)[0].mean()) if classic else None


def scores(reference: Tensor, test: Tensor) -> Tensor:
    """Return (2, N): PSNR and SSIM of each slice."""
    return torch.stack([psnr(reference, test, data_range=1.0), ssim(reference, test, data_range=1.0)])


def main() -> None:
    """Run the measurement as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", help="name or file; the default shipped model if left out")
    parser.add_argument(
        "--data", action="append", nargs="+", required=True, metavar=("NAME", "VOLUME"), help="repeatable"
    )
    parser.add_argument("--planes", nargs="+", choices=PLANES, default=list(PLANES))
    parser.add_argument("--noises", nargs="+", choices=NOISES, default=["gaussian"])
    parser.add_argument("--sigmas", nargs="+", type=float, default=[0.03, 0.05, 0.1])
    parser.add_argument("--slices", type=int, default=5, help="of each volume and plane")
    parser.add_argument("--step", type=int, default=10, help="slices between two of them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--exact", action="store_true", help="float32 instead of the fastest arithmetic")
    parser.add_argument(
        "--nlm", action="store_true", help="non-local means beside it (about a second a slice)"
    )
    parser.add_argument("--write-card", action="store_true", help="put the table into the model file's card")
    arguments = parser.parse_args()
    try:
        model = load_model(arguments.model)
        groups = {name: [Path(path) for path in paths] for name, *paths in arguments.data}
        print(f"{'data':10} {'plane':9} {'corruption':26} {'slices':>6} {'noisy':>6} {'model':>6} {'gain':>6}"
              f" {'SSIM noisy':>10} {'model':>7} {'NLM':>6}")  # fmt: skip
        rows = []
        for row, nlm in measure(model, groups, arguments):
            rows.append(row)
            noisy, gain, structure = ("", "", "")
            if row.psnr_corrupted is not None:
                noisy = f"{row.psnr_corrupted:.2f}"
                gain = f"{row.psnr_reconstructed - row.psnr_corrupted:+.2f}"
                structure = f"{row.ssim_corrupted:.4f}"
            print(f"{row.data:10} {row.plane:9} {row.corruption:26} {row.slices:6} {noisy:>6}"
                  f" {row.psnr_reconstructed:6.2f} {gain:>6} {structure:>10} {row.ssim_reconstructed:7.4f}"
                  f" {'' if nlm is None else f'{nlm:.2f}':>6}", flush=True)  # fmt: skip
        if arguments.write_card and model.path:
            card = model.card.model_copy(update={"metrics": tuple(rows)})
            save_model(Model(model.network, card), model.path)
    except InputError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
