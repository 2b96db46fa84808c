"""What a training makes small."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from napari_mri_cae.metrics import ssim
from napari_mri_cae.training.config import Loss


def slice_losses(loss: Loss, output: Tensor, target: Tensor) -> Tensor:
    """Return the loss of each slice, (N,).

    Parameters
    ----------
    loss
        "l1", "mse", "psnr", "ssim" (1 - SSIM) or "dssim", half of that. "psnr" is 1 - PSNR / 100 dB with a
        data range of 1, so that a slice with little noise counts as much as one with much; 1e-5 is added to
        the MSE, because nothing is gained by more than 50 dB. The SSIM is TensorFlow's: Gaussian 11 x 11
        windows of sigma 1.5 that lie inside the slice, data range 1.
    output, target
        (N, 1, H, W) float32.

    References
    ----------
    "psnr": L. Chen et al., "Simple baselines for image restoration" (NAFNet), ECCV 2022.
    """
    if loss == "l1":
        return (output - target).abs().mean(dim=(1, 2, 3))
    if loss in ("mse", "psnr"):
        mse = (output - target).square().mean(dim=(1, 2, 3))
        return mse if loss == "mse" else 1 + 0.1 * torch.log10(mse + _FIFTY_DECIBELS)
    dissimilarity = 1 - ssim(target, output, data_range=1.0)
    return dissimilarity if loss == "ssim" else dissimilarity / 2


def kernels(network: nn.Module) -> list[nn.Parameter]:
    """Return the weights of the convolutions, transposed ones included, without their biases."""
    return [
        module.weight
        for module in network.modules()
        if isinstance(module, _CONVOLUTIONS) and isinstance(module.weight, nn.Parameter)
    ]


def l2_penalty(weights: Iterable[Tensor], strength: float) -> Tensor:
    """Return strength times the sum of squares, as Keras's `regularizers.l2` adds it to the loss."""
    return strength * torch.stack([weight.square().sum() for weight in weights]).sum()


_FIFTY_DECIBELS = 1e-5
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
