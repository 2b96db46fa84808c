import math

import pytest
import torch

from napari_mri_cae.errors import InputError
from napari_mri_cae.models.architectures import ARCHITECTURES, build, count_parameters
from napari_mri_cae.models.architectures.doubling import Doubling
from napari_mri_cae.models.architectures.keras_layers import BatchNorm, Conv, UpConv


# All, and the trainable ones where they were published: the rest are batch-norm statistics.
@pytest.mark.parametrize(
    ("name", "parameters", "total", "trainable"),
    [
        ("datacamp2018", {}, 427_713, 426_433),
        ("devto-denoiser", {}, 872_709, 871_427),
        ("uoc2021-shallow-residual", {"block": "full-pre"}, 460_609, None),
        ("uoc2021-shallow-residual", {"block": "original"}, 460_993, None),
        ("uoc2021-skip-connection", {}, 191_041, None),
        ("uoc2021-residual-unet", {}, 483_649, None),
        ("uoc2021-myronenko", {}, 991_041, None),
    ],
)
def test_published_architectures_have_the_published_number_of_parameters(name, parameters, total, trainable):
    network = build(name, **parameters)
    assert count_parameters(network) == total
    assert trainable is None or sum(weights.numel() for weights in network.parameters()) == trainable


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_keeps_the_shape(name):
    network = build(name).eval()
    with torch.inference_mode():
        assert network(torch.rand(2, 1, 32, 48)).shape == (2, 1, 32, 48)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("skip-unet", {"channels": 4, "levels": 2, "unshuffle": 1}),
        ("skip-unet", {"channels": 4, "levels": 1, "unshuffle": 2}),
        ("skip-unet", {"channels": 4, "levels": 2, "unshuffle": 2}),
        ("residual-unet", {"channels": [4, 6, 8], "blocks": [1, 2, 1], "up_blocks": [2, 1]}),
    ],
)
def test_an_untrained_network_with_a_skip_returns_its_input_exactly(name, parameters):
    network = build(name, **parameters)
    slices = torch.rand(1, 1, 16, 24)
    with torch.inference_mode():
        assert torch.equal(network(slices), slices)
        # What bfloat16 computes is the correction alone: the input passes in full precision.
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(network(slices), slices)
        assert torch.equal(network.bfloat16()(slices), slices)


def test_the_bottleneck_lets_nothing_pass_but_the_code():
    network = build("bottleneck-autoencoder", channels=[4, 4], code_channels=2, last_channels=4)
    slices = torch.rand(1, 1, 16, 24)
    code = network.encoder(slices)
    assert code.shape == (1, 2, 4, 6)
    # Two numbers for every sixteen pixels: the output's differences span no more directions than that.
    jacobian = torch.autograd.functional.jacobian(network, slices).reshape(16 * 24, 16 * 24)
    assert torch.linalg.matrix_rank(jacobian) <= code.numel()


@pytest.mark.parametrize(
    ("name", "parameters", "what"),
    [
        ("residual-unet", {"blocks": [1, 2]}, "blocks must be 4 whole numbers"),
        ("bottleneck-autoencoder", {"code_channels": 0}, "code_channels"),
    ],
)
def test_parameters_that_make_no_network_are_refused(name, parameters, what):
    with pytest.raises(InputError, match=what):
        build(name, **parameters)


def test_conv_pads_as_keras_does():
    # A kernel that copies its centre shows which input pixel each output pixel is centred on. Keras pads an
    # even size at the end only, and so output 0 is centred on input 1.
    conv = Conv(1, 1, stride=2)
    with torch.no_grad():
        conv.weight.zero_()[0, 0, 1, 1] = 1
        even, odd = torch.arange(36.0).view(1, 1, 6, 6), torch.arange(25.0).view(1, 1, 5, 5)
        assert torch.equal(conv(even)[0, 0], even[0, 0, 1::2, 1::2])
        assert torch.equal(conv(odd)[0, 0], odd[0, 0, ::2, ::2])


def test_up_conv_is_the_transpose_of_conv():
    # <conv(x), y> = <x, up(y)> for the same weights: the definition of Keras's Conv2DTranspose.
    conv, up = Conv(2, 3, stride=2).double(), UpConv(3, 2).double()
    with torch.no_grad():
        up.weight.copy_(conv.weight)
        x, y = torch.rand(1, 2, 8, 6).double(), torch.rand(1, 3, 4, 3).double()
        assert torch.allclose((conv(x) * y).sum(), (x * up(y)).sum())


def test_doubling_is_the_transposed_convolution_it_takes_its_weights_from():
    doubling, plain = Doubling(6, 4), torch.nn.ConvTranspose2d(6, 4, 2, stride=2)
    plain.load_state_dict(doubling.state_dict())
    x = torch.randn((2, 6, 3, 5), generator=torch.Generator().manual_seed(0))
    assert torch.equal(doubling(x), plain(x))
    with torch.autocast("cpu", torch.bfloat16):  # as in training
        mixed = doubling(x)
    assert mixed.dtype == torch.bfloat16
    expected = plain(x)
    torch.testing.assert_close(mixed.float(), expected, atol=0.02, rtol=0.02)
    mixed.float().sin().sum().backward()
    expected.sin().sum().backward()
    for one, other in zip(doubling.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=0.3, rtol=0.03)


def test_layers_start_as_keras_layers_do():
    conv, up, norm = Conv(16, 32), UpConv(32, 16), BatchNorm(4)
    limit = math.sqrt(6 / (9 * 16 + 9 * 32))
    for layer in (conv, up):
        assert not layer.bias.any()
        assert 0.9 * limit < layer.weight.abs().max() <= limit
    assert (norm.eps, norm.momentum) == (1e-3, 0.01)


def test_devto_denoiser_starts_orthogonal():
    for layer in build("devto-denoiser").modules():
        if isinstance(layer, Conv | UpConv):
            # Keras flattens kernels to (rows x columns x first, last channels); this is the transpose.
            matrix = layer.weight.detach().flatten(1)
            square = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
            assert torch.allclose(square, torch.eye(len(square)), atol=1e-5)


def test_an_unknown_architecture_is_named_with_the_known_ones():
    with pytest.raises(InputError, match="no architecture 'vgg'; known are skip-unet"):
        build("vgg")


@pytest.mark.parametrize("parameters", [{"widths": 3}, {"channels": 0}, {"channels": "many"}])
def test_wrong_parameters_are_refused(parameters):
    with pytest.raises(InputError, match="skip-unet does not take these parameters"):
        build("skip-unet", **parameters)


def test_neighbours_of_a_slice_that_comes_alone_are_empty():
    torch.manual_seed(0)
    network = build("residual-unet", channels=[4, 6], blocks=[1, 1], up_blocks=[1], neighbours=2)
    stacks = torch.rand(3, 5, 16, 24)
    assert torch.equal(network(stacks), stacks[:, 2:3])  # untrained
    torch.nn.init.normal_(network.last.weight)
    alone = stacks * torch.tensor([0, 0, 1, 0, 0])[:, None, None]
    assert network(stacks).shape == (3, 1, 16, 24)
    assert not torch.equal(network(stacks), network(alone))
    assert torch.equal(network(alone[:, 2:3]), network(alone))
    for wrong in (9, -1, True):
        with pytest.raises(InputError, match="neighbours must be a whole number from 0 to 8"):
            build("residual-unet", neighbours=wrong)
