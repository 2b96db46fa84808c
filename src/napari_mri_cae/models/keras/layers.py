"""What each Keras layer is in a graph."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from pydantic import ValidationError

from napari_mri_cae.errors import InputError
from napari_mri_cae.models.keras import graph

Config = Mapping[str, Any]
# Keras's LeakyReLU has 0.3; its "leaky_relu" function has 0.2.
_LEAKY_LAYER: Final = 0.3
_LEAKY_FUNCTION: Final = 0.2
_LONGEST: Final = 80
_SAME_NAME: Final = (
    "relu",
    "sigmoid",
    "tanh",
    "elu",
    "selu",
    "gelu",
    "silu",
    "softplus",
    "softsign",
    "softmax",
    "exponential",
)


def make_node(kind: str, config: Config, place: str, *, name: str, inputs: tuple[str, ...]) -> graph.Node:
    """Return the node of a graph that a Keras layer is.

    Parameters
    ----------
    kind
        Its class, such as "Conv2D".
    config
        Its own configuration, as Keras writes it.
    place
        How errors call it.
    name, inputs
        Of the node.

    Raises
    ------
    InputError
        If there is no such layer here, or it has settings that are not supported.
    """
    make = _LAYERS.get(kind)
    if make is None:
        raise InputError(
            f"{place} is a {shorten(kind)} layer, and only these are supported: {', '.join(SUPPORTED)}."
        )
    try:
        fields = make(config)
    except _UnsupportedError as unsupported:
        raise InputError(f"{place} has {shorten(str(unsupported))}, which is not supported.") from None
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise InputError(f"{place} has settings that make no sense; get the file again.") from error
    cls = fields.pop("class")
    try:
        node: graph.Node = cls(name=name, inputs=inputs, **fields)
    except ValidationError as error:
        first = error.errors()[0]
        said = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise InputError(f"{place} has settings that are not supported ({said}).") from error
    return node


def shorten(text: str) -> str:
    """Return text from a file, short enough for a sentence."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


class _UnsupportedError(Exception):
    """A setting that has no counterpart here."""


def _pair(value: Any) -> tuple[int, int]:
    rows, columns = (value, value) if isinstance(value, int) else value
    return rows, columns


def _channels_last(config: Config) -> None:
    if config.get("data_format", "channels_last") not in {"channels_last", None}:
        raise _UnsupportedError(f"data_format={config['data_format']!r}")


def _padding(config: Config) -> str:
    padding = config.get("padding", "valid")
    if padding not in {"same", "valid"}:
        raise _UnsupportedError(f"padding={padding!r}")
    return str(padding)


def _activation(value: Any) -> graph.Activation | None:
    """Return a Keras activation, a name or a layer; None for "linear"."""
    if isinstance(value, Mapping):
        kind, config = value.get("class_name"), value.get("config")
        if kind in _ACTIVATION_LAYERS and isinstance(config, Mapping):
            return _ACTIVATION_LAYERS[kind](config)
        raise _UnsupportedError(f"the activation {kind!r}")
    if value in {None, "linear"}:
        return None
    if value == "leaky_relu":
        return graph.Activation(name="relu", slope=_LEAKY_FUNCTION)
    if value == "relu6":
        return graph.Activation(name="relu", most=6.0)
    if value == "swish":
        return graph.Activation(name="silu")
    if value not in _SAME_NAME:
        raise _UnsupportedError(f"the activation {value!r}")
    return graph.Activation(name=value)


def _number(value: Any, default: float) -> float:
    """Return a number as Keras writes it: plain, as a NumPy array in JSON, or null."""
    if isinstance(value, Mapping):
        value = value.get("value")
    # Keras 2 writes the 0.3 of float32, 0.30000001192092896.
    number = default if value is None else float(str(np.float32(value)))
    if not math.isfinite(number):
        raise ValueError(f"{number} is no number")
    return number


def _relu(config: Config) -> graph.Activation:
    most = config.get("max_value")
    return graph.Activation(
        name="relu",
        slope=_number(config.get("negative_slope"), 0.0),
        threshold=_number(config.get("threshold"), 0.0),
        most=None if most is None else _number(most, 0.0),
    )


def _leaky_relu(config: Config) -> graph.Activation:
    return graph.Activation(
        name="relu", slope=_number(config.get("alpha", config.get("negative_slope")), _LEAKY_LAYER)
    )


_ACTIVATION_LAYERS: Final[dict[str, Callable[[Config], graph.Activation | None]]] = {
    "ReLU": _relu,
    "LeakyReLU": _leaky_relu,
    "Activation": lambda config: _activation(config["activation"]),
}


def _activation_layer(kind: str) -> Callable[[Config], dict[str, Any]]:
    return lambda config: {"class": graph.Activate, "activation": _ACTIVATION_LAYERS[kind](config)}


def _conv(config: Config) -> dict[str, Any]:
    _channels_last(config)
    return {
        "class": graph.Conv,
        "filters": config["filters"],
        "kernel": _pair(config["kernel_size"]),
        "stride": _pair(config.get("strides", 1)),
        "dilation": _pair(config.get("dilation_rate", 1)),
        "groups": config.get("groups", 1),
        "padding": _padding(config),
        "bias": config.get("use_bias", True),
        "activation": _activation(config.get("activation")),
    }


def _transposed_conv(config: Config) -> dict[str, Any]:
    if config.get("groups", 1) != 1:
        raise _UnsupportedError(f"groups={config['groups']!r}")
    output_padding = config.get("output_padding")
    return {
        **{key: value for key, value in _conv(config).items() if key != "groups"},
        "class": graph.TransposedConv,
        "output_padding": None if output_padding is None else _pair(output_padding),
    }


def _batch_norm(config: Config) -> dict[str, Any]:
    axis = config.get("axis", -1)
    if (axis[0] if isinstance(axis, list) and len(axis) == 1 else axis) not in {-1, 3}:
        raise _UnsupportedError(f"axis={axis!r}")
    if config.get("renorm"):
        raise _UnsupportedError("renorm=True")
    return {
        "class": graph.BatchNorm,
        "epsilon": config.get("epsilon", 1e-3),
        "momentum": config.get("momentum", 0.99),
        "scale": config.get("scale", True),
        "center": config.get("center", True),
    }


def _concatenate(config: Config) -> dict[str, Any]:
    axis = config.get("axis", -1)
    names = {-1: "channels", 3: "channels", 1: "rows", -3: "rows", 2: "columns", -2: "columns"}
    if axis not in names:
        raise _UnsupportedError(f"axis={axis!r}")
    return {"class": graph.Concatenate, "axis": names[axis]}


def _max_pool(config: Config) -> dict[str, Any]:
    _channels_last(config)
    pool = _pair(config.get("pool_size", 2))
    strides = config.get("strides")
    return {
        "class": graph.MaxPool,
        "pool": pool,
        "stride": pool if strides is None else _pair(strides),
        "padding": _padding(config),
    }


def _upsample(config: Config) -> dict[str, Any]:
    _channels_last(config)
    interpolation = config.get("interpolation", "nearest")
    if interpolation not in {"nearest", "bilinear"}:
        raise _UnsupportedError(f"interpolation={interpolation!r}")
    return {
        "class": graph.Upsample,
        "factor": _pair(config.get("size", 2)),
        "interpolation": interpolation,
    }


def _dropout(config: Config) -> dict[str, Any]:
    if config.get("noise_shape") is not None:
        raise _UnsupportedError(f"noise_shape={config['noise_shape']!r}")
    return {"class": graph.Dropout, "rate": config["rate"]}


def _spatial_dropout(config: Config) -> dict[str, Any]:
    _channels_last(config)
    return {"class": graph.Dropout, "rate": config["rate"], "whole_channels": True}


_LAYERS: Final[dict[str, Callable[[Config], dict[str, Any]]]] = {
    "Conv2D": _conv,
    "Conv2DTranspose": _transposed_conv,
    "BatchNormalization": _batch_norm,
    "ReLU": _activation_layer("ReLU"),
    "LeakyReLU": _activation_layer("LeakyReLU"),
    "Activation": _activation_layer("Activation"),
    "Add": lambda config: {"class": graph.Add},
    "Concatenate": _concatenate,
    "MaxPooling2D": _max_pool,
    "UpSampling2D": _upsample,
    "Dropout": _dropout,
    "SpatialDropout2D": _spatial_dropout,
}
SUPPORTED: Final = ("InputLayer", *_LAYERS)
"""The Keras layers that can be opened, besides models within models."""
