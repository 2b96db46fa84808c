"""Make model-v1.safetensors and model-v1.npz. They are never made again: old files have to go on opening.

Weights and inputs are multiples of small powers of two, so that every sum is exact in float32, in whatever
order and with whatever instructions a machine adds: outputs are the same bits everywhere.
"""

from pathlib import Path

import numpy as np
import torch

from napari_mri_cae.models import Card, DataSource, Measurement, Model, Training, save_model
from napari_mri_cae.models.architectures import build, count_parameters

FOLDER = Path(__file__).parent


def main() -> None:
    rng = np.random.default_rng(1)
    parameters = {"channels": 2, "levels": 1, "unshuffle": 1}
    network = build("skip-unet", **parameters).eval()
    for weights in network.state_dict().values():
        chosen = rng.choice(
            [-1.0, -0.5, 0.0, 0.5, 1.0], size=tuple(weights.shape), p=[0.1, 0.15, 0.5, 0.15, 0.1]
        )
        weights.copy_(torch.from_numpy(chosen))
    slices = rng.integers(0, 17, (2, 1, 12, 10)).astype(np.float32) / 16
    with torch.inference_mode():
        outputs = network(torch.from_numpy(slices))
        exact = network.double()(torch.from_numpy(slices).double())
    assert torch.equal(outputs.double(), exact)
    assert (outputs.numpy() != slices).mean() > 0.9
    row = Measurement(
        data="made up", subjects=("01",), plane="sagittal", corruption="gaussian-noise sigma=0.03", slices=2,
        psnr_corrupted=30.5, psnr_reconstructed=35.25, ssim_corrupted=0.5, ssim_reconstructed=0.75,
    )  # fmt: skip
    source = DataSource(name="made up", licence="CC0", training_subjects=("02", "03"))
    card = Card(
        name="version-1", title="A model file of format version 1", architecture="skip-unet",
        architecture_parameters=parameters, plane="sagittal", intensity="slice-min-max", multiple_of=2,
        fixed_size=(12, 10), training=Training(data=(source,), seed=1, corruption={"sigma": [0, 0.1]}),
        metrics=(row,), licence="CC0", versions={"napari-mri-cae": "0.1.0"}, created="2026-11-20",
        parameters=count_parameters(network),
    )  # fmt: skip
    save_model(Model(network.float(), card), FOLDER / "model-v1.safetensors")
    np.savez_compressed(FOLDER / "model-v1.npz", slices=slices, outputs=outputs.numpy())


if __name__ == "__main__":
    main()
