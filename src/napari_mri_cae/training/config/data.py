"""What a training learns from: folders, split, slices, intensity and sampling."""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from napari_mri_cae.training.config.base import Settings

Part = Literal["training", "validation", "test"]
PARTS: Final[tuple[Part, ...]] = ("training", "validation", "test")

Intensity = Literal[
    "volume",
    "dataset-min-max",
    "volume-min-max",
    "slice-min-max",
    "slice-percentile",
    "slice-z-score",
    "volume-z-score",
]
"""What clean slices look like to the network.

"volume" is the volume scale: 0 is a volume's minimum, 1 its 99.95th percentile. "dataset-min-max" goes from
the lowest to the highest intensity in the files, over the selected slices of all volumes, "volume-min-max"
over those of each volume; nothing is clipped. The others start from the volume scale: "slice-min-max" goes
from a slice's lowest to its highest value, "slice-percentile" from its 1st to its 99th percentile, and the
two z-scores give each slice, or each volume, mean 0 and standard deviation 1.
"""

Unreadable = Literal["refuse", "skip"]
NoiseDrawn = Literal["anew", "once"]

Side = Annotated[int, Field(ge=1)]
Size = tuple[Side, Side]


class DataFolder(Settings):
    """A folder of volumes, BIDS or plain."""

    folder: Path = Field(title="Folder", description="Where the volumes are; relative to `root`")
    pattern: str = Field(
        "auto",
        title="Files",
        description="Which files, as a glob in the folder; auto takes the T1w images of a BIDS data set, "
        "and every NIfTI file of any other folder",
    )
    share: float = Field(
        1.0,
        gt=0,
        title="Share",
        description="How often patches are drawn from here, relative to the other folders",
    )
    training: tuple[str, ...] = Field(
        (), title="Training subjects", description="Subjects to learn from; none named are all others"
    )
    validation: tuple[str, ...] = Field(
        (), title="Validation subjects", description="Subjects by which the weights are chosen"
    )
    test: tuple[str, ...] = Field(
        (), title="Test subjects", description="Subjects that the training never opens"
    )
    name: str = Field("", title="Name", description="What the data set is called; its folder's name if empty")
    reference: str = Field(
        "", title="Reference", description="Where the data come from: an article, a DOI, an address"
    )
    licence: str = Field("", title="Licence", description="Of the data")
    notes: str = Field(
        "", title="Notes", description="Contrast, voxel size, whole head or skull-stripped, for the card"
    )

    @property
    def label(self) -> str:
        """The name, or else the folder's."""
        return self.name or self.folder.name

    @property
    def is_split(self) -> bool:
        """Whether it names its own subjects for the parts."""
        return bool(self.training or self.validation or self.test)


class Split(Settings):
    """How folders that name no subjects are split."""

    by: Literal["subject", "slice"] = Field(
        "subject",
        title="Split by",
        description="Subjects keep all slices of a person in one part; slices put neighbours, which look "
        "alike, into different parts, so that the validation flatters the model",
    )
    validation: float = Field(
        0.2, gt=0, lt=1, title="Validation", description="Share that chooses the weights"
    )
    test: float = Field(0.0, ge=0, lt=1, title="Test", description="Share that the training never looks at")
    seed: int = Field(
        0, ge=0, lt=2**32, title="Seed", description="Of the random order; the same seed gives the same split"
    )
    stratify_by: tuple[str, ...] = Field(
        (),
        title="Balanced by",
        description="Columns of participants.tsv, as age and sex, that are spread alike over the parts",
    )
    age_bins: int = Field(
        4, ge=1, title="Age bins", description="Into how many equally full bins age, or any number, is put"
    )

    @model_validator(mode="after")
    def _leaves_some(self) -> "Split":
        if self.validation + self.test >= 1:
            raise ValueError(
                "validation and test together must be less than 1, to leave slices to learn from"
            )
        if self.by == "slice" and self.stratify_by:
            raise ValueError("stratify_by is for a split by subject; leave it empty or split by subject")
        return self


class AllSlices(Settings):
    """Every slice."""

    rule: Literal["all"] = "all"


class BrainSlices(Settings):
    """Slices with enough brain in them."""

    rule: Literal["brain"] = "brain"
    least: float = Field(
        0.045, ge=0, le=1, title="Least brain", description="Share of the slice that lies inside the brain"
    )


class MiddleSlices(Settings):
    """The slices in the middle of each volume."""

    rule: Literal["middle"] = "middle"
    count: int = Field(51, ge=1, title="Count", description="How many slices of each volume and plane")


class SliceRange(Settings):
    """Slices by their numbers."""

    rule: Literal["range"] = "range"
    first: int = Field(0, ge=0, title="First", description="Index of the first slice")
    last: int = Field(ge=1, title="Last", description="Index after the last slice")

    @model_validator(mode="after")
    def _in_order(self) -> "SliceRange":
        if self.last <= self.first:
            raise ValueError("last must be greater than first")
        return self


class ContentSlices(Settings):
    """Slices with enough bright pixels."""

    rule: Literal["content"] = "content"
    above: float = Field(
        0.1, ge=0, le=1, title="Above", description="Pixels brighter than this, on the volume scale, count"
    )
    least: float = Field(0.2, ge=0, le=1, title="Least", description="Share of the slice's pixels that count")


class MeanSlices(Settings):
    """Slices that are bright enough on average."""

    rule: Literal["mean"] = "mean"
    least: float = Field(0.1, ge=0, le=1, title="Least", description="Mean intensity, on the volume scale")


SliceRule = Annotated[
    AllSlices | BrainSlices | MiddleSlices | SliceRange | ContentSlices | MeanSlices,
    Field(discriminator="rule"),
]


class PatchSampling(Settings):
    """Random square patches."""

    kind: Literal["patches"] = "patches"
    size: int = Field(128, ge=1, title="Size", description="Side of a patch, in pixels")
    flips: bool = Field(True, title="Flips", description="Mirror and transpose patches at random")
    zoom: tuple[float, float] = Field(
        (1.0, 1.0),
        title="Zoom",
        description="Range of the factor by which pixels get larger, so that the network meets other voxel "
        "sizes; 2 makes 2 mm of 1 mm",
    )
    zoom_probability: float = Field(
        1.0, ge=0, le=1, title="Zoom's probability", description="Share of the patches that are zoomed"
    )
    zoom_by: Literal["averaging", "subsampling", "either", "cubic"] = Field(
        "averaging",
        title="Zoom by",
        description="How pixels get larger: averaging makes them of all that they cover, so noise and edges "
        "get smoother; subsampling takes the nearest of those, and keeps the scanner's noise and sharpness; "
        "either is one or the other for each patch; cubic interpolates between the nearest, which is nearly "
        "as sharp as subsampling and leaves no jagged edges. Smaller pixels are always interpolated linearly",
    )
    gamma: tuple[float, float] = Field(
        (1.0, 1.0),
        title="Gamma",
        description="Range of the power to which intensities are raised, so that the network meets other "
        "contrasts",
    )
    gamma_probability: float = Field(
        1.0, ge=0, le=1, title="Gamma's probability", description="Share of the patches this is done to"
    )
    offset: tuple[float, float] = Field(
        (0.0, 0.0),
        title="Offset",
        description="Range of what is added to a patch before it is corrupted, so that the network meets "
        "backgrounds that are not 0",
    )
    gain: tuple[float, float] = Field(
        (1.0, 1.0), title="Gain", description="Range of the factor by which a patch is multiplied before that"
    )
    shift_probability: float = Field(
        1.0,
        ge=0,
        le=1,
        title="Probability of offset and gain",
        description="Share of the patches that get them",
    )
    neighbour_steps: tuple[int, int] = Field(
        (1, 1),
        title="Neighbours' steps",
        description="Range of how many slices it is from one neighbour to the next, where the network looks "
        "at neighbours, so that it meets slices that lie further apart",
    )
    neighbour_steps_probability: float = Field(
        1.0,
        ge=0,
        le=1,
        title="Probability of the steps",
        description="Share of the patches they are drawn for",
    )
    alone_probability: float = Field(
        0.0,
        ge=0,
        le=1,
        title="Alone",
        description="Share of the patches that have no neighbours, or those of one side only, half of them "
        "each",
    )

    @model_validator(mode="after")
    def _in_order(self) -> "PatchSampling":
        for low, high in (self.zoom, self.gamma, self.offset, self.gain):
            if low > high:
                raise ValueError("the lower end of a range comes first")
        if not 1 <= self.neighbour_steps[0] <= self.neighbour_steps[1] <= 16:
            raise ValueError("neighbour_steps must be from 1 to 16, the lower end first")
        if not (self.zoom[0] >= 0.25 and self.zoom[1] <= 4):
            raise ValueError("zoom must lie between 0.25 and 4")
        if not (self.gamma[0] >= 0.1 and self.gamma[1] <= 10):
            raise ValueError("gamma must lie between 0.1 and 10")
        return self


class SliceSampling(Settings):
    """Whole slices, each once in an epoch, in random order."""

    kind: Literal["slices"] = "slices"
    resize_to: Size | None = Field(
        None,
        title="Resize to",
        description="Height and width, bilinear without antialiasing; empty keeps them",
    )
    pad_to: Size | None = Field(
        None,
        title="Pad to",
        description="Height and width to fill up to; empty is the next size that the network takes",
    )
    pad_at: Literal["start", "end", "both"] = Field(
        "end", title="Pad at", description="Where rows and columns are added"
    )
    flips: bool = Field(False, title="Flips", description="Mirror slices at random, rows and columns")
    order_seed: int | None = Field(
        None, ge=0, title="Order seed", description="Of the order of the slices; empty is the training's seed"
    )


Sampling = Annotated[PatchSampling | SliceSampling, Field(discriminator="kind")]
