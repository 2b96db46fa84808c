"""The configuration of a training: one model for the recipe file, the Python API and the command line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from napari_mri_cae.corruptions import Augmentation
from napari_mri_cae.errors import InputError
from napari_mri_cae.intensity import SCALINGS
from napari_mri_cae.models.architectures import ARCHITECTURES, IMPORTED, neighbours_of
from napari_mri_cae.planes import PLANES, Plane
from napari_mri_cae.training.config.base import Settings, validated
from napari_mri_cae.training.config.data import (
    AllSlices,
    DataFolder,
    Intensity,
    NoiseDrawn,
    PatchSampling,
    Sampling,
    SliceRule,
    Split,
    Unreadable,
)
from napari_mri_cae.training.config.optimization import (
    Checkpoints,
    ConstantRate,
    CosineRate,
    EarlyStopping,
    Loss,
    Optimizer,
    Schedule,
    Validation,
)

_AUGMENTATIONS: Final = {
    "none": Augmentation,
    "uoc2021": Augmentation.uoc2021,
    "blind-denoising": Augmentation.blind_denoising,
}


def _named_augmentation(value: Any) -> Any:
    """Take the name of an augmentation for the augmentation."""
    if value is None:
        return Augmentation()
    if isinstance(value, str):
        if value not in _AUGMENTATIONS:
            raise ValueError(f"there is no augmentation {value!r}; known are {', '.join(_AUGMENTATIONS)}")
        return _AUGMENTATIONS[value]()
    return value


def _known_architecture(name: str) -> str:
    """Refuse an architecture that there is not; a name in a recipe is as easily mistyped as any word."""
    if name not in (*ARCHITECTURES, IMPORTED):
        raise ValueError(f"there is no architecture {name!r}; known are {', '.join(ARCHITECTURES)}")
    return name


class TrainingConfig(Settings):
    """Everything that decides what a training gives."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        title="Name",
        description="Of the model, and so of its file: letters, digits, dots, hyphens",
    )
    title: str = Field("", title="Title", description="Of the model, for people")
    licence: str = Field("", title="Licence", description="Of the weights")
    description: str = Field("", title="Description", description="Of the training, for the model's card")
    limits: str = Field(
        "", title="Limits", description="Where the model is known to fail, for its card; known afterwards"
    )

    root: Path = Field(Path(), title="Root", description="Where relative data folders are found")
    data: tuple[DataFolder, ...] = Field(
        (), title="Data", description="Folders of volumes, each split into parts by subject"
    )
    split: Split = Field(
        Split(), title="Split", description="Of the folders that do not name subjects for each part"
    )
    unreadable: Unreadable = Field(
        "refuse",
        title="Unreadable volumes",
        description="Refuse to begin, or leave out a volume that cannot be read, and say so",
    )
    planes: tuple[Plane, ...] = Field(
        PLANES, min_length=1, title="Planes", description="In which slices are taken"
    )
    slices: SliceRule = Field(AllSlices(), title="Slices", description="Which slices of a volume are used")
    intensity: Intensity = Field(
        "volume", title="Intensity", description="What becomes 0 and what 1 in the slices that are learnt"
    )
    sampling: Sampling = Field(
        PatchSampling(), title="Sampling", description="Random patches, or whole slices one after the other"
    )
    augmentation: Annotated[Augmentation, BeforeValidator(_named_augmentation)] = Field(
        Augmentation(),
        title="Augmentation",
        description="What is done to the input, slice by slice at random; the target stays clean",
    )
    noise_drawn: NoiseDrawn = Field(
        "anew",
        title="Noise drawn",
        description="Anew for every epoch, or once, so that a slice keeps the noise that was drawn for it",
    )

    architecture: Annotated[str, AfterValidator(_known_architecture)] = Field(
        "skip-unet",
        title="Architecture",
        description="The shape of the network; another one begins with its own parameters",
        json_schema_extra={"choices": list(ARCHITECTURES)},
    )
    architecture_parameters: dict[str, Any] = Field(
        default_factory=dict, title="Architecture's parameters", description="Those that differ from its own"
    )
    multiple_of: int = Field(
        8, ge=1, title="Multiple of", description="Of which height and width of what the network takes are"
    )
    start_from: str | None = Field(
        None,
        title="Start from",
        description="A model, by name or file, of the same architecture, whose weights to begin with; "
        "a residual-unet may have fewer blocks and look at fewer neighbours",
    )

    loss: Loss = Field(
        "l1", title="Loss", description="What is made small: l1, mse, 1 - PSNR / 100, 1 - SSIM or DSSIM"
    )
    epochs: int = Field(60, ge=1, title="Epochs", description="After each there is a validation")
    steps_per_epoch: int | None = Field(
        None,
        ge=1,
        title="Steps per epoch",
        description="Batches in an epoch; empty is one pass over all training slices (not for patches)",
    )
    batch_size: int = Field(
        16, ge=1, title="Batch", description="Slices in a batch, over all devices together"
    )
    optimizer: Optimizer = Field(Optimizer(), title="Optimizer", description="What changes the weights")
    schedule: Schedule = Field(
        ConstantRate(), title="Schedule", description="How the learning rate changes along the way"
    )
    average_decay: float = Field(
        0.0,
        ge=0,
        lt=1,
        title="Averaged weights",
        description="Decay of the moving average of the weights that becomes the model; 0 takes the weights "
        "themselves",
    )
    early_stopping: EarlyStopping | None = Field(
        None, title="Early stopping", description="End when nothing improves any more; empty does not"
    )
    checkpoints: Checkpoints = Field(
        Checkpoints(), title="Checkpoints", description="What is kept, and what chooses the best"
    )
    stored_as: Literal["float32", "float16"] = Field(
        "float32",
        title="Weights stored as",
        description="In the model's file; float16 rounds them, to half the size",
    )
    validation: Validation = Field(
        Validation(), title="Validation", description="What is measured after each epoch"
    )
    seed: int = Field(
        0, ge=0, lt=2**31, title="Seed", description="Of first weights, order, patches and noise"
    )

    precision: Literal["auto", "bf16-mixed", "16-mixed", "32-true"] = Field(
        "auto",
        title="Precision",
        description="Of the arithmetic; auto is mixed precision where the device computes it natively",
    )
    threads: int | None = Field(
        None, ge=1, title="Threads", description="CPU threads of each process; empty is one for each core"
    )
    devices: int | Literal["auto"] = Field(
        "auto", title="Devices", description="How many in each node; auto is one process on the best device"
    )
    num_nodes: int = Field(1, ge=1, title="Nodes", description="Machines that train together")
    strategy: str = Field(
        "auto", title="Strategy", description="How devices share the work, as Lightning names it: auto, ddp"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "TrainingConfig":
        sampling, schedule = self.sampling, self.schedule
        if isinstance(sampling, PatchSampling):
            if self.steps_per_epoch is None:
                raise ValueError("steps_per_epoch: patches have no end, so say how many batches an epoch has")
            if sampling.size % self.multiple_of:
                raise ValueError(
                    f"sampling.size: must be a multiple of multiple_of, which is {self.multiple_of}"
                )
            if self.intensity.endswith("z-score") and sampling.gamma != (1.0, 1.0):
                raise ValueError(
                    "sampling.gamma: a z-score has values below 0, which have no power: leave it 1"
                )
            if self.noise_drawn == "once":
                raise ValueError("noise_drawn: patches differ every time, so their noise is drawn anew")
            if self.neighbours and self.augmentation.slice_min_max:
                raise ValueError(
                    "augmentation.slice_min_max: slices that are scaled each by itself differ from their "
                    "neighbours: choose false, or architecture_parameters.neighbours 0"
                )
            if self.neighbours and self.intensity in SCALINGS and self.intensity != "volume":
                raise ValueError(
                    "intensity: slices that are scaled each by itself differ from their neighbours: choose "
                    "one scale for the volume, or architecture_parameters.neighbours 0"
                )
        else:
            if self.neighbours:
                raise ValueError(
                    "architecture_parameters.neighbours: only patches come with their neighbours; choose "
                    "sampling.kind patches, or 0"
                )
            size = sampling.pad_to or sampling.resize_to
            if size and any(length % self.multiple_of for length in size):
                raise ValueError(
                    f"sampling: the size must be a multiple of multiple_of, which is {self.multiple_of}"
                )
        if isinstance(schedule, CosineRate) and self.steps_per_epoch is not None:
            steps = self.epochs * self.steps_per_epoch
            if schedule.warmup_steps + schedule.decay_steps > steps:
                raise ValueError(
                    f"schedule: warmup_steps and decay_steps together must not exceed the {steps} steps of "
                    "the training"
                )
        if self.checkpoints.best_by == "psnr" and not self.validation.sigmas:
            raise ValueError(
                "checkpoints.best_by: no PSNR is measured without validation.sigmas; choose loss"
            )
        if isinstance(self.devices, int) and self.devices < 1:
            raise ValueError("devices: must be 1 or more, or auto")
        processes = (self.devices if isinstance(self.devices, int) else 1) * self.num_nodes
        if self.batch_size % processes:
            raise ValueError(f"batch_size: must be a multiple of the {processes} devices that share a batch")
        if len({folder.label for folder in self.data}) < len(self.data):
            raise ValueError("data: the folders must have different names")
        return self

    @property
    def neighbours(self) -> int:
        """How many slices before and behind each the network also looks at."""
        return neighbours_of(self.architecture_parameters)

    @property
    def network_size(self) -> tuple[int, int] | None:
        """(H, W) of what the network learns from, where it is the same for all slices and not padded."""
        return None if isinstance(self.sampling, PatchSampling) else self.sampling.resize_to

    @classmethod
    def load(cls, path: str | Path) -> "TrainingConfig":
        """Read a recipe or a run's configuration (YAML).

        A file that begins with `base: OTHER` takes from it, a shipped recipe's name or a file beside it, all
        that it does not say itself.

        Raises
        ------
        InputError
            If the file cannot be read or a value is wrong; the sentence names the field.
        """
        from napari_mri_cae.training.recipes import read_fields

        path = Path(path)
        fields = read_fields(path)
        try:
            return validated(cls, fields)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    def save(self, path: str | Path) -> None:
        """Write the configuration as YAML, every value spelled out."""
        from napari_mri_cae.training.run_folder import write_text

        text = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        write_text(Path(path), text)

    def with_values(self, changes: Mapping[str, Any]) -> "TrainingConfig":
        """Return a copy with other values, checked.

        Parameters
        ----------
        changes
            Values by dotted name, as `{"optimizer.learning_rate": 1e-4, "loss": "dssim"}`. A group of
            settings that takes another kind (`{"schedule.kind": "constant"}`) begins with that kind's own
            values.

        Raises
        ------
        InputError
            If there is no such setting or a value is wrong; the sentence names the field.
        """
        from napari_mri_cae.training.recipes import merge

        fields = self.model_dump(mode="json")
        for name, value in changes.items():
            nested: Any = value
            for part in reversed(name.split(".")):
                nested = {part: nested}
            fields = merge(fields, nested)
        return validated(type(self), fields)
