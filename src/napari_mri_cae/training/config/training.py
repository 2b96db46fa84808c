"""The configuration of a training: one model for the recipe file, the Python API and the command line."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_mri_cae.corruptions import Augmentation
from napari_mri_cae.errors import InputError
from napari_mri_cae.planes import PLANES, Plane
from napari_mri_cae.training.config.data import DataFolder

Count = Annotated[int, Field(ge=1)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ValidationNoise(_Settings):
    """The noise levels at which the validation slices are looked at; 0 is clean."""

    sigmas: tuple[Annotated[float, Field(ge=0)], ...] = (0.0, 0.03, 0.1)
    slices_per_plane: Count = 3


class TrainingConfig(_Settings):
    """Everything that decides what a training gives."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Of the model, and so of its file."""
    title: str = ""
    licence: str = ""
    """Of the weights."""
    description: str = ""
    limits: str = ""
    """Where the model is known to fail, for its card; as a rule this is known afterwards."""

    root: Path = Path()
    """Where relative data folders are found."""
    data: Annotated[tuple[DataFolder, ...], Field(min_length=1)]
    planes: Annotated[tuple[Plane, ...], Field(min_length=1)] = PLANES
    patch_size: Count = 128
    batch_size: Count = 16
    flips: bool = True
    """Mirror and transpose patches at random."""
    augmentation: Augmentation
    """What is done to the input; the target stays clean."""

    architecture: str = "skip-unet"
    architecture_parameters: dict[str, Any] = Field(default_factory=dict)
    multiple_of: Count = 8

    loss: Literal["l1", "mse"] = "l1"
    steps: Count
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    decay_steps: Annotated[int, Field(ge=0)] = 0
    """The learning rate is constant after the warm-up and falls to zero (a cosine) over the last steps."""
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Of the exponential moving average of the weights, which is the model that comes out."""
    seed: Annotated[int, Field(ge=0)] = 0
    steps_per_epoch: Count = 500
    """An epoch ends with a validation and a checkpoint."""
    validation: ValidationNoise = ValidationNoise()
    precision: Literal["bf16-mixed", "32-true"] = "bf16-mixed"
    threads: Count | None = None
    """CPU threads; None is one for each core."""

    @model_validator(mode="after")
    def _consistent(self) -> "TrainingConfig":
        if self.warmup_steps + self.decay_steps > self.steps:
            raise ValueError("warmup_steps and decay_steps together must not exceed steps")
        if self.steps % self.steps_per_epoch:
            raise ValueError("steps must be a multiple of steps_per_epoch")
        if self.patch_size % self.multiple_of:
            raise ValueError("patch_size must be a multiple of multiple_of")
        if len({folder.label for folder in self.data}) < len(self.data):
            raise ValueError("the data folders must have different names")
        return self

    @classmethod
    def load(cls, path: str | Path) -> "TrainingConfig":
        """Read a recipe or a run's configuration (YAML).

        Raises
        ------
        InputError
            If the file cannot be read or a value is wrong; the sentence names the field.
        """
        try:
            fields = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"{path} is not a readable YAML file: mend it or choose another.") from error
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the whole"
            raise InputError(f"{path} is wrong at {where}: {first['msg']}.") from error

    def save(self, path: str | Path) -> None:
        """Write the configuration as YAML, every value spelled out."""
        text = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        Path(path).write_text(text, encoding="utf-8")
