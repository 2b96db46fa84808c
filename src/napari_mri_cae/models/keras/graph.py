"""The graph of a Keras network, as plain data: what is computed from what, without the weights.

It is written into the card of an imported model and read back from there, so it says everything that the
network is built from, and nothing in it is trusted: every number has its bounds.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST_NODES = 2048
"""Of one graph. Published networks have some dozens."""

_Size = Annotated[int, Field(ge=1, le=64)]
_Pair = tuple[_Size, _Size]
_Offset = Annotated[int, Field(ge=0, le=64)]
_Filters = Annotated[int, Field(ge=1, le=2**14)]
_Share = Annotated[float, Field(ge=0, lt=1)]
_Small = Annotated[float, Field(ge=0, le=1)]

ActivationName = Literal[
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
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Activation(_Part):
    """A function of each pixel ("softmax": over the channels)."""

    name: ActivationName
    slope: float = 0.0
    """Of "relu" below its threshold."""
    threshold: float = 0.0
    """Of "relu"."""
    most: float | None = None
    """The largest value that "relu" lets through."""


class _Node(_Part):
    name: Annotated[str, Field(min_length=1, max_length=1000)]
    inputs: tuple[str, ...]
    """Names of earlier nodes."""


class Input(_Node):
    """Where the slices come in: one channel."""

    kind: Literal["input"] = "input"


class _Weighted(_Node):
    shares: str | None = None
    """The earlier node whose weights this one uses: a Keras layer that is called more than once."""


class Conv(_Weighted):
    """Conv2D."""

    kind: Literal["conv"] = "conv"
    filters: _Filters
    kernel: _Pair
    stride: _Pair = (1, 1)
    dilation: _Pair = (1, 1)
    groups: Annotated[int, Field(ge=1, le=2**14)] = 1
    padding: Literal["same", "valid"] = "valid"
    bias: bool = True
    activation: Activation | None = None


class TransposedConv(_Weighted):
    """Conv2DTranspose."""

    kind: Literal["transposed-conv"] = "transposed-conv"
    filters: _Filters
    kernel: _Pair
    stride: _Pair = (1, 1)
    dilation: _Pair = (1, 1)
    padding: Literal["same", "valid"] = "valid"
    output_padding: tuple[_Offset, _Offset] | None = None
    bias: bool = True
    activation: Activation | None = None


class BatchNorm(_Weighted):
    """BatchNormalization over channels."""

    kind: Literal["batch-norm"] = "batch-norm"
    epsilon: _Small = 1e-3
    momentum: _Small = 0.99
    """In Keras's sense: how much of the running statistics each batch leaves."""
    scale: bool = True
    center: bool = True


class Activate(_Node):
    """Activation, ReLU, LeakyReLU."""

    kind: Literal["activation"] = "activation"
    activation: Activation | None = None


class Add(_Node):
    """Add."""

    kind: Literal["add"] = "add"


class Concatenate(_Node):
    """Concatenate."""

    kind: Literal["concatenate"] = "concatenate"
    axis: Literal["channels", "rows", "columns"] = "channels"


class MaxPool(_Node):
    """MaxPooling2D."""

    kind: Literal["max-pool"] = "max-pool"
    pool: _Pair
    stride: _Pair
    padding: Literal["same", "valid"] = "valid"


class Upsample(_Node):
    """UpSampling2D."""

    kind: Literal["upsample"] = "upsample"
    factor: _Pair
    interpolation: Literal["nearest", "bilinear"] = "nearest"


class Dropout(_Node):
    """Dropout and SpatialDropout2D: at work in training only."""

    kind: Literal["dropout"] = "dropout"
    rate: _Share
    whole_channels: bool = False


Node = Annotated[
    Input | Conv | TransposedConv | BatchNorm | Activate | Add | Concatenate | MaxPool | Upsample | Dropout,
    Field(discriminator="kind"),
]
_MERGES = (Add, Concatenate)


class Graph(_Part):
    """Nodes, each after those it depends on, from one input to one output."""

    nodes: Annotated[tuple[Node, ...], Field(min_length=1, max_length=MOST_NODES)]
    output: str

    @model_validator(mode="after")
    def _check(self) -> Self:
        earlier: dict[str, Node] = {}
        for position, node in enumerate(self.nodes):
            if isinstance(node, Input) != (position == 0):
                raise ValueError("there must be one input, and it comes first")
            if node.name in earlier:
                raise ValueError(f"two nodes are named {node.name!r}")
            wanted = 0 if position == 0 else len(node.inputs) if isinstance(node, _MERGES) else 1
            if len(node.inputs) != wanted or (position and not node.inputs):
                raise ValueError(f"{node.name!r} has {len(node.inputs)} inputs")
            if not earlier.keys() >= set(node.inputs):
                raise ValueError(f"{node.name!r} depends on what comes later, or is not there")
            if isinstance(node, _Weighted) and node.shares is not None:
                owner = earlier.get(node.shares)
                alike = {"name": node.name, "inputs": node.inputs, "shares": node.shares}
                if not isinstance(owner, _Weighted) or owner.shares or owner.model_copy(update=alike) != node:
                    raise ValueError(f"{node.name!r} cannot use the weights of {node.shares!r}")
            earlier[node.name] = node
        if self.output not in earlier:
            raise ValueError(f"there is no node {self.output!r} to be the output")
        return self

    def to_parameters(self) -> dict[str, Any]:
        """Return the graph as plain data, without what has its default: what `build` takes."""
        told = (node.model_dump(mode="json", exclude_defaults=True) for node in self.nodes)
        nodes = [{"kind": node.kind, **fields} for node, fields in zip(self.nodes, told, strict=True)]
        return {"nodes": nodes, "output": self.output}
