"""What every corruption is: a frozen settings model that can be applied, written down and read back."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict

from napari_mri_cae.corruptions.random import SliceSource, Source
from napari_mri_cae.errors import InputError
from napari_mri_cae.planes import Plane

if TYPE_CHECKING:
    from torch import Tensor

_KINDS: dict[str, type[Corruption]] = {}


class Corruption(BaseModel):
    """A way to spoil slices, with its parameters.

    Subclasses declare their parameters as fields with a title (a short label), a description (units, what
    it does) and bounds, from which forms are generated; `json_schema_extra` may say how far a slider goes
    ("slider_maximum"), in which steps ("step") and what an open value is called ("open_text"). All parameters
    have defaults, so that a form has something to start from. Defining a subclass with a `kind` registers it.

    Attributes
    ----------
    kind
        The name under which it is recorded and read back, such as "gaussian-noise".
    label
        The name that people see, such as "Gaussian noise".
    group
        What it is listed under where there are many, such as "MRI artefacts".
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: ClassVar[str]
    label: ClassVar[str]
    group: ClassVar[str]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Register the subclass under its kind."""
        super().__pydantic_init_subclass__(**kwargs)
        if _KINDS.setdefault(cls.kind, cls) is not cls:
            raise TypeError(f"there is already a corruption of kind {cls.kind!r}")

    @abstractmethod
    def apply(self, slices: Tensor, source: Source) -> Tensor:
        """Return a corrupted copy of the slices.

        Parameters
        ----------
        slices
            (N, 1, H, W), floating point, any device, on the volume's [0, 1] scale. Never changed.
        source
            Where random fields come from, already told which corruption of a chain this is
            (`source.for_corruption(...)`).

        Returns
        -------
        Tensor
            A new tensor of the same shape, dtype and device.
        """

    def to_dict(self) -> dict[str, Any]:
        """Return the kind and all parameters as plain values that JSON and YAML can hold."""
        return {"kind": self.kind, **self.model_dump(mode="json")}

    @staticmethod
    def from_dict(record: Mapping[str, Any]) -> Corruption:
        """Return the corruption that `to_dict` described.

        Raises
        ------
        InputError
            If the kind is missing or unknown.
        pydantic.ValidationError
            If a parameter is out of range or unknown; it names the field.
        """
        parameters = dict(record)
        return corruption_class(parameters.pop("kind", ""))(**parameters)


CorruptionType = TypeVar("CorruptionType", bound=type[Corruption])


def corruption_kinds() -> dict[str, type[Corruption]]:
    """Return every kind of corruption and its class, in the order in which they are offered."""
    return dict(_KINDS)


def corruption_class(kind: str) -> type[Corruption]:
    """Return the class of a kind of corruption.

    Raises
    ------
    InputError
        If there is no such kind.
    """
    if kind not in _KINDS:
        raise InputError(f"{kind!r} is not a corruption: choose from {', '.join(_KINDS)}.")
    return _KINDS[kind]


def corrupt(
    slices: Tensor, corruptions: Sequence[Corruption], *, seed: int, plane: Plane, indices: Sequence[int]
) -> Tensor:
    """Apply a chain of corruptions, in order, reproducibly.

    The random field of each corruption depends on the seed, its kind, how many of its kind came before it,
    the plane and the slice's index, and on nothing else: not on the batch, the device, its parameters or the
    other kinds in the chain.

    Parameters
    ----------
    slices
        (N, 1, H, W), floating point, any device, on the volume's [0, 1] scale. Never changed.
    corruptions
        The chain, first one first. May be empty.
    seed
        0 to 2**64 - 1.
    plane
        The plane that the slices belong to.
    indices
        The N slice indices along the axis of `plane`.

    Returns
    -------
    Tensor
        A new tensor of the same shape, dtype and device.

    Raises
    ------
    ValueError
        If the slices are not (N, 1, H, W) floating-point numbers or N is not the number of indices.
    """
    if slices.ndim != 4 or slices.shape[1] != 1 or not slices.is_floating_point():
        raise ValueError(
            f"slices must be floating point, (N, 1, H, W), not {slices.dtype}, {tuple(slices.shape)}"
        )
    if len(indices) != slices.shape[0]:
        raise ValueError(f"{slices.shape[0]} slices were given with {len(indices)} slice indices")
    source = SliceSource(seed, plane, indices)
    before: Counter[str] = Counter()
    corrupted = slices
    for corruption in corruptions:
        corrupted = corruption.apply(
            corrupted, source.for_corruption(corruption.kind, before[corruption.kind])
        )
        before[corruption.kind] += 1
    return corrupted if corruptions else slices.clone()


def per_slice(parameter: float | Tensor, slices: Tensor) -> float | Tensor:
    """Return a parameter so that it broadcasts against the slices (N, 1, H, W).

    A number is for all slices and stays one; a tensor (N,) has one value for each slice and becomes
    (N, 1, 1, 1) with the device and dtype of the slices.
    """
    if isinstance(parameter, (int, float)):
        return float(parameter)
    return parameter.to(device=slices.device, dtype=slices.dtype).view(-1, 1, 1, 1)
