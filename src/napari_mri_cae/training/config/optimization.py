"""How a training learns: optimizer, schedule of its learning rate, when it ends, what it keeps and checks."""

from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from napari_mri_cae.training.config.base import Settings

Loss = Literal["l1", "mse", "psnr", "ssim", "dssim"]
LOSSES: Final[dict[Loss, str]] = {
    "l1": "mean absolute error",
    "mse": "mean squared error",
    "psnr": "1 - PSNR / 100 dB, at most 50 dB of it",
    "ssim": "1 - SSIM",
    "dssim": "(1 - SSIM) / 2",
}
"""Where SSIM has Gaussian 11 x 11 windows of sigma 1.5 that lie inside the slice, and data range 1."""

Sigma = Annotated[float, Field(ge=0, le=1)]


class Optimizer(Settings):
    """What changes the weights; where nothing is said, with the constants of Keras."""

    kind: Literal["adamw", "muon", "adam", "rmsprop", "sgd"] = Field(
        "adamw",
        title="Kind",
        description="The algorithm: AdamW, Muon (kernels move by an orthogonal matrix, the rest as with "
        "AdamW), Adam, RMSprop or plain gradient descent",
    )
    learning_rate: float = Field(
        1e-3, gt=0, le=10, title="Learning rate", description="Before what the schedule makes of it"
    )
    weight_decay: float = Field(
        0.0,
        ge=0,
        title="Weight decay",
        description="Of AdamW and Muon: weights shrink by this times the learning rate at every step",
    )
    l2: float = Field(
        0.0,
        ge=0,
        title="L2",
        description="Times the sum of the squared convolution kernels, added to the loss, as Keras's "
        "kernel_regularizer",
    )
    square_decay: float | None = Field(
        None,
        gt=0,
        lt=1,
        title="Decay of squares",
        description="Of the running mean of squared gradients: Adam's beta 2 (empty: 0.999) or RMSprop's rho "
        "(empty: 0.9)",
    )
    epsilon: float | None = Field(
        None,
        gt=0,
        title="Epsilon",
        description="Added to the root of the squared gradients; empty is 1e-7, as in Keras, and 1e-8 with "
        "AdamW and Muon",
    )
    gradient_clip: float | None = Field(
        None, gt=0, title="Gradient clip", description="Longest gradient, as a norm; empty does not clip"
    )

    @model_validator(mode="after")
    def _fitting(self) -> "Optimizer":
        if self.weight_decay and self.kind not in ("adamw", "muon"):
            raise ValueError(f"weight_decay is for adamw and muon; set it to 0 for {self.kind}, or use l2")
        if self.square_decay is not None and self.kind == "sgd":
            raise ValueError("square_decay is not for sgd; leave it empty")
        if self.epsilon is not None and self.kind == "sgd":
            raise ValueError("epsilon is not for sgd; leave it empty")
        return self


class ConstantRate(Settings):
    """The same learning rate throughout."""

    kind: Literal["constant"] = "constant"
    warmup_steps: int = Field(
        0, ge=0, title="Warm-up", description="Over so many first steps the rate rises from next to nothing"
    )


class CosineRate(Settings):
    """Constant after a warm-up, then down to zero along a cosine."""

    kind: Literal["cosine"] = "cosine"
    warmup_steps: int = Field(
        100, ge=0, title="Warm-up", description="Over so many first steps the rate rises from next to nothing"
    )
    decay_steps: int = Field(
        1000, ge=1, title="Decay", description="Over so many last steps the rate falls to zero"
    )


class PlateauRate(Settings):
    """Lower when the validation loss no longer falls, as Keras's ReduceLROnPlateau."""

    kind: Literal["plateau"] = "plateau"
    factor: float = Field(0.2, gt=0, lt=1, title="Factor", description="By which the rate is multiplied")
    patience: int = Field(
        4, ge=1, title="Patience", description="After so many epochs without improvement the rate is lowered"
    )
    least: float = Field(1e-7, ge=0, title="Least", description="Below which the rate does not go")
    min_delta: float = Field(
        1e-4, ge=0, title="Least improvement", description="By which the validation loss must fall to count"
    )


class OneCycleRate(Settings):
    """Up and down again once (Smith 2018)."""

    kind: Literal["one-cycle"] = "one-cycle"
    highest: float | None = Field(
        None,
        gt=0,
        le=10,
        title="Highest rate",
        description="At the top of the cycle; empty lets a test of rising rates choose, before the training",
    )


Schedule = Annotated[
    ConstantRate | CosineRate | PlateauRate | OneCycleRate,
    Field(discriminator="kind"),
]


class EarlyStopping(Settings):
    """End when the validation loss no longer falls, as Keras's EarlyStopping."""

    patience: int = Field(
        20, ge=1, title="Patience", description="After so many epochs without improvement the training ends"
    )
    min_delta: float = Field(
        0.0, ge=0, title="Least improvement", description="By which the validation loss must fall to count"
    )


class Checkpoints(Settings):
    """What is kept besides the last and the best state."""

    every_epochs: int | None = Field(
        None,
        ge=1,
        title="Every epochs",
        description="Keep a state each time so many epochs have passed; empty keeps the last and best alone",
    )
    best_by: Literal["loss", "psnr"] = Field(
        "loss",
        title="Best by",
        description="What chooses the model: the lowest validation loss, or the highest mean PSNR over the "
        "validation's noise levels",
    )


class Validation(Settings):
    """What is measured after each epoch, besides the validation loss."""

    sigmas: tuple[Sigma, ...] = Field(
        (0.0, 0.03, 0.1),
        title="Noise levels",
        description="Gaussian noise, as a fraction of the intensity range, at which the PSNR is measured; 0 "
        "is clean",
    )
    slices_per_plane: int | None = Field(
        3,
        ge=1,
        title="Slices per plane",
        description="Evenly spaced, of each validation volume; empty takes all its selected slices",
    )
