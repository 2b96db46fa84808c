import pytest
import torch

from napari_mri_cae.errors import InputError
from napari_mri_cae.models.architectures import build
from napari_mri_cae.training import load_recipe, recipe_paths, train
from napari_mri_cae.training.network import check_network, load_weights


@pytest.mark.parametrize("name", recipe_paths())
def test_every_recipe_has_a_network_and_promises_no_more_than_it_needs(name):
    config = load_recipe(name)
    check_network(config)
    with pytest.raises(InputError, match=r"multiple_of: .* is too small"):
        check_network(config.model_copy(update={"multiple_of": config.multiple_of // 2}))


def test_what_an_architecture_does_not_take_is_said_before_anything_is_read(config, tmp_path):
    with pytest.raises(
        InputError, match="architecture: there is no architecture 'unet'; known are skip-unet"
    ):
        config.with_values({"architecture": "unet"})
    other = config.with_values({"architecture": "datacamp2018"})
    with pytest.raises(InputError, match=r"architecture_parameters: .* datacamp2018 does not take these"):
        train(other, tmp_path / "run")
    deep = config.with_values({"architecture_parameters": {"channels": 4, "levels": 2}})
    with pytest.raises(InputError, match="multiple_of: 2 is too small for skip-unet"):
        train(deep, tmp_path / "run")


def test_a_network_with_more_blocks_begins_as_the_one_that_it_starts_from():
    torch.manual_seed(0)
    small = build("residual-unet", channels=[4, 6], blocks=[1, 1], up_blocks=[1])
    torch.nn.init.normal_(small.last.weight)
    deep = build("residual-unet", channels=[4, 6], blocks=[3, 2], up_blocks=[2])
    slices = torch.rand(2, 1, 16, 16)
    assert not torch.equal(small(slices), slices)
    assert load_weights(deep, small.state_dict())
    torch.testing.assert_close(deep(slices), small(slices), rtol=0, atol=1e-6)
    # All that has been added learns, after its last convolution has moved.
    deep(slices).square().sum().backward()
    assert deep.bottom[1].second.weight.grad.abs().max() > 0


@pytest.mark.parametrize(
    "other",
    [
        {"channels": [4, 8], "blocks": [2, 1], "up_blocks": [1]},
        {"channels": [4, 6, 8], "blocks": [2, 1, 1], "up_blocks": [1, 1]},
        {"channels": [4, 6], "blocks": [1, 1], "up_blocks": [1]},
    ],
    ids=["wider", "more levels", "fewer blocks"],
)
def test_other_networks_do_not_fit(other):
    small = build("residual-unet", channels=[4, 6], blocks=[2, 1], up_blocks=[1])
    assert not load_weights(build("residual-unet", **other), small.state_dict())
