"""The card of a model: what it is, what it was trained on and how it must be fed."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_mri_cae.errors import InputError
from napari_mri_cae.intensity import Scaling
from napari_mri_cae.models.architectures import neighbours_of
from napari_mri_cae.planes import Plane

FORMAT_VERSION: Final = 1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataSource(_Part):
    """Volumes that a model has learnt from, and those of the same source kept away from it."""

    name: str
    reference: str = ""
    """Where it comes from: an article, a DOI, an address."""
    licence: str = ""
    notes: str = ""
    """What the volumes are: contrast, voxel size, whole head or skull-stripped."""
    training_subjects: tuple[str, ...] = ()
    validation_subjects: tuple[str, ...] = ()
    """Used to choose the weights among those of one training."""
    test_subjects: tuple[str, ...] = ()
    """Seen by nothing but the measurement on this card."""


class Training(_Part):
    """How a model was trained."""

    data: tuple[DataSource, ...] = ()
    recipe: str = ""
    seed: int | None = None
    steps: int | None = None
    batch_size: int | None = None
    patch_size: int | None = None
    minutes: float | None = None
    hardware: str = ""
    loss: str = ""
    corruption: dict[str, Any] = Field(default_factory=dict)
    """The training augmentation, as in the recipe."""
    description: str = ""


class Measurement(_Part):
    """Mean values over the slices of volumes that were not trained on, on the volume scale (data range 1)."""

    data: str
    subjects: tuple[str, ...] = ()
    plane: Plane
    region: str = "whole slice"
    corruption: str
    """"none", or a kind with its parameters, as "gaussian-noise sigma=0.03"."""
    slices: Annotated[int, Field(ge=1)]
    psnr_corrupted: float | None = None
    """dB; absent where the input equals the original."""
    psnr_reconstructed: float
    ssim_corrupted: float | None = None
    ssim_reconstructed: float | None = None


Head = Literal["stripped", "whole"]


class Histogram(_Part):
    """Between what bounds the intensities of the training volumes of one kind lie, on the volume scale."""

    head: Head
    background: tuple[float, float]
    """The lowest and the highest background, the value around the head, of all the volumes."""
    quantiles: dict[str, tuple[float, float]]
    """Of the tissue: the share of its voxels that are darker, as "0.25", with the lowest and the highest."""


class Domain(_Part):
    """What the volumes look like that a model was trained on, in numbers; what is empty is not known."""

    spacings: tuple[float, float] | None = None
    """Shortest and longest side of the pixels that the network saw, in mm; after resizing to a fixed size."""
    head: Head | Literal["both"] | None = None
    """Whether the heads were skull-stripped or whole."""
    contrast: str = ""
    """As BIDS names it: "T1w", "FLAIR"."""
    histograms: tuple[Histogram, ...] = ()


class SliceBin(_Part):
    """Slices that hold about as much tissue as each other."""

    tissue: Annotated[float, Field(gt=0, le=1)]
    """The mean share of their pixels that is tissue."""
    slices: Annotated[int, Field(ge=2)]
    psnr: tuple[float, Annotated[float, Field(ge=0)]]
    """Mean and standard deviation over the slices, in dB; see `napari_mri_cae.slice_statistics`."""
    ssim: tuple[float, Annotated[float, Field(ge=0)]]
    """Mean and standard deviation over the slices."""


class SliceStatistics(_Part):
    """How well a model reconstructs the slices of its own training volumes, on the volume scale."""

    plane: Plane
    head: Head | None = None
    """Of the volumes; None where they are neither plainly stripped nor whole."""
    corruptions: tuple[dict[str, Any], ...] = ()
    """What was done to the slices before, as records; the clean slices if empty."""
    volumes: Annotated[int, Field(ge=1)]
    bins: Annotated[tuple[SliceBin, ...], Field(min_length=1)]
    """In ascending order of their tissue."""


class Card(_Part):
    """What a model is, what it was trained on and how it must be fed.

    The network takes and gives `(N, 1, H, W)`; one that looks at `neighbours` takes them as channels, and
    single slices too. Around it, in this order and undone in reverse: scale as
    `intensity` says, pad to `fixed_size` where there is one and the slice fits in it or else resize to it,
    pad H and W to multiples of `multiple_of`.
    """

    format_version: Annotated[int, Field(ge=1)] = FORMAT_VERSION
    name: Annotated[str, Field(min_length=1, max_length=200)]
    title: str = ""
    architecture: str
    architecture_parameters: dict[str, Any] = Field(default_factory=dict)
    plane: Literal["any"] | Plane = "any"
    intensity: Scaling = "volume"
    """The scaling that the network wants on top of the volume scale; "volume" is none."""
    multiple_of: Annotated[int, Field(ge=1, le=1024)] = 1
    fixed_size: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] | None = None
    """(H, W) that the network was made for. Smaller slices are padded to it, larger ones resized."""
    training: Training = Training()
    domain: Domain | None = None
    """What the training volumes look like; `unfamiliar` compares others with it."""
    metrics: tuple[Measurement, ...] = ()
    slice_statistics: tuple[SliceStatistics, ...] = ()
    """What is usual for the model, slice by slice; empty where nobody has measured it."""
    limits: str = ""
    """Where it is known to fail."""
    licence: str = ""
    versions: dict[str, str] = Field(default_factory=dict)
    """Of the software that made the model."""
    created: str = ""
    """Date, ISO 8601."""
    parameters: Annotated[int, Field(ge=0)] = 0
    """How many, batch-norm running statistics included, as Keras counts."""

    @model_validator(mode="after")
    def _one_scale_for_neighbours(self) -> "Card":
        if self.neighbours and self.intensity != "volume":
            raise ValueError("neighbours are on the scale of the volume")
        return self

    @property
    def neighbours(self) -> int:
        """How many slices before and behind each the network also looks at."""
        return neighbours_of(self.architecture_parameters)

    def to_json(self) -> str:
        """Return the card as JSON text."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> "Card":
        """Return the card that `text` holds.

        Raises
        ------
        InputError
            If the text is no card, or that of a newer format than this version reads.
        """
        import json

        try:
            fields = json.loads(text)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            raise InputError("its card is not readable JSON; get the model file again.")
        version = fields.get("format_version", 1)
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise InputError(
                f"it has format version {version} and this software reads up to {FORMAT_VERSION}; "
                "update napari-mri-cae."
            )
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the whole"
            raise InputError(
                f"its card is not valid at {where} ({first['msg']}); get the model file again."
            ) from error
