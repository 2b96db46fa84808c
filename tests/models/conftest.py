import pytest
import torch

from napari_mri_cae.models import Card, Model
from napari_mri_cae.models.architectures import build


@pytest.fixture
def model():
    """A small network with random weights, so that its outputs say something."""
    parameters = {"channels": 4, "levels": 2}
    network = build("skip-unet", **parameters)
    generator = torch.Generator().manual_seed(0)
    for tensor in network.state_dict().values():
        tensor.copy_(0.1 * torch.randn(tensor.shape, generator=generator))
    card = Card(name="small", architecture="skip-unet", architecture_parameters=parameters, multiple_of=4)
    return Model(network.eval(), card)
