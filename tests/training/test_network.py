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


def test_a_network_with_more_neighbours_begins_as_the_one_that_it_starts_from():
    torch.manual_seed(0)
    shape = {"channels": [4, 6], "blocks": [1, 1], "up_blocks": [1]}
    one, more, most = (build("residual-unet", **shape, neighbours=count) for count in (0, 1, 3))
    torch.nn.init.normal_(one.last.weight)
    assert load_weights(more, one.state_dict())
    stacks = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(more(stacks), one(stacks[:, 1:2]), rtol=0, atol=1e-6)
    torch.nn.init.normal_(more.first.weight)
    assert load_weights(most, more.state_dict())
    wider = torch.cat([torch.rand(2, 2, 16, 16), stacks, torch.rand(2, 2, 16, 16)], dim=1)
    torch.testing.assert_close(most(wider), more(stacks), rtol=0, atol=1e-5)
    assert not load_weights(one, more.state_dict())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"intensity": "slice-min-max"}, "intensity: slices that are scaled each by itself"),
        ({"augmentation.slice_min_max": True}, "augmentation.slice_min_max: slices that are scaled each"),
        ({"sampling": {"kind": "slices"}}, "only patches come with their neighbours"),
    ],
)
def test_neighbours_where_there_are_none(config, changes, sentence):
    neighbours = {"architecture": "residual-unet", "architecture_parameters": {"neighbours": 1}}
    with pytest.raises(InputError, match=sentence):
        config.with_values({**neighbours, "multiple_of": 8, **changes})
