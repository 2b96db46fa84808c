"""Which slices are measured, and how."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from napari_mri_cae.planes import Plane

SliceChoice = Literal["brain", "all"]
Region = Literal["whole slice", "brain"]
REGIONS: tuple[Region, ...] = ("whole slice", "brain")


class EvaluationSettings(BaseModel):
    """What an evaluation depends on besides its volumes, models and corruptions."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    planes: tuple[Plane, ...] = Field(
        ("axial",), min_length=1, title="Planes", description="The planes the slices are taken in"
    )
    slices: SliceChoice = Field(
        "brain", title="Slices", description="Those that hold brain, or all, with the empty ones"
    )
    least_brain: float = Field(
        0.045,
        ge=0,
        le=1,
        title="Least brain",
        description="Share of a slice inside the brain mask from which on it holds brain",
    )
    every: int = Field(
        1, ge=1, title="Every", description="Take every n-th of these slices, the middle one among them"
    )
    seed: int = Field(
        0, ge=0, lt=2**64, title="Seed", description="What all noise depends on, with plane and slice"
    )
    device: str = Field("auto", title="Device", description="Where the networks run")
    exact: bool = Field(
        False, title="Exact", description="Compute in float32, also where the device has something faster"
    )
