"""What is known of the published systems, and of their published weights."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from napari_mri_cae.intensity import Scaling
from napari_mri_cae.models.card import DataSource, Domain, Measurement, Training
from napari_mri_cae.models.keras.graph import Graph
from napari_mri_cae.planes import Plane

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Known:
    """What a card says of a model, besides what is in its file."""

    title: str = ""
    plane: Literal["any"] | Plane = "any"
    intensity: Scaling = "slice-min-max"
    fixed_size: tuple[int, int] | None = None
    training: Training = field(default_factory=Training)
    domain: Domain | None = None
    metrics: tuple[Measurement, ...] = ()
    limits: str = ""
    licence: str = ""


_THESIS_PLANE: Final[Plane] = "sagittal"
_THESIS_SIZE: Final = (128, 128)


def _uoc2021(recipe: str) -> Known:
    return Known(plane=_THESIS_PLANE, fixed_size=_THESIS_SIZE, training=Training(recipe=recipe))


SYSTEMS: Final = {
    # Scaled over the whole data set, and over each volume.
    "datacamp2018": Known(intensity="volume", training=Training(recipe="datacamp2018")),
    "devto-denoiser": Known(intensity="volume", training=Training(recipe="devto-denoiser")),
    "uoc2021-shallow-residual": _uoc2021("uoc2021-shallow-residual"),
    "uoc2021-skip-connection": _uoc2021("uoc2021-skip-connection"),
    "uoc2021-residual-unet": _uoc2021("uoc2021-residual-unet"),
    "uoc2021-myronenko": _uoc2021("uoc2021-myronenko"),
}
"""By architecture: how the published system feeds it."""

_IXI: Final = DataSource(
    name="IXI",
    reference="brain-development.org",
    licence="CC BY-SA 3.0",
    notes="581 healthy T1w volumes, whole head; sagittal slices, 128 x 128, 8 bits, min-max for each slice",
)
# 0.94 mm, at half the resolution.
_DOMAIN: Final = Domain(spacings=(1.875, 1.875), head="whole", contrast="T1w")
_SHARPENS: Final = "It takes smooth slices for blurred ones: resampled or smoothed volumes lose several dB."


def _thesis(
    title: str, recipe: str, loss: str, *, augmented: bool, published: tuple[float, float] | None
) -> Known:
    """Return what is known of published weights of Arnaiz Rodríguez's thesis; `published`: PSNR, DSSIM."""
    metrics: tuple[Measurement, ...] = ()
    if published is not None:
        row = Measurement(
            data="IXI, as published",
            plane=_THESIS_PLANE,
            region="whole slice, 128 x 128, min-max for each slice",
            corruption="none",
            slices=4824,
            psnr_reconstructed=published[0],
            ssim_reconstructed=round(1 - 2 * published[1], 6),
        )
        metrics = (row,)
    described = "The input spoilt, the target clean." if augmented else "Input and target are the same."
    return Known(
        title=f"UOC 2021 {title}",
        plane=_THESIS_PLANE,
        fixed_size=_THESIS_SIZE,
        training=Training(data=(_IXI,), recipe=recipe, loss=loss, batch_size=32, description=described),
        domain=_DOMAIN,
        metrics=metrics,
        limits=_SHARPENS if augmented else "",
        licence="MIT, (c) 2020 Adrián Arnaiz-Rodríguez",
    )


# By the digest of the weights, so that a file is known whatever it is called.
_WEIGHTS: Final = {
    "5fca167fe1396d63": _thesis("residual with max-pooling, MSE", "", "MSE", augmented=False, published=None),
    "5299390c5c3bcee8": _thesis(
        "residual U-Net, DSSIM, augmented",
        "uoc2021-residual-unet",
        "DSSIM",
        augmented=True,
        published=(41.8, 1.44e-3),
    ),
    "407b56c3d995edc4": _thesis(
        "residual U-Net, MSE, augmented",
        "uoc2021-residual-unet",
        "MSE",
        augmented=True,
        published=(44.9, 2.95e-3),
    ),
    "8a383e3af98f1277": _thesis(
        "skip connection, MSE, L2, augmented",
        "uoc2021-skip-connection",
        "MSE + L2",
        augmented=True,
        published=(36.8, 1.65e-2),
    ),
    "d48a583519146f04": _thesis(
        "skip connection, MSE, augmented",
        "uoc2021-skip-connection",
        "MSE",
        augmented=True,
        published=(35.7, 9.36e-3),
    ),
    "56898d281b4910dc": _thesis(
        "skip connection, MSE", "uoc2021-skip-connection", "MSE", augmented=False, published=(49.8, 1.04e-3)
    ),
    "3a11bd710a612f2c": _thesis(
        "shallow residual, full pre-activation, MSE, augmented",
        "uoc2021-shallow-residual",
        "MSE",
        augmented=True,
        published=(38.6, 6.75e-3),
    ),
    "9c230a57fb48527c": _thesis(
        "shallow residual, full pre-activation, MSE",
        "uoc2021-shallow-residual",
        "MSE",
        augmented=False,
        published=(44.4, 2.64e-3),
    ),
    "55150a6542a0c034": _thesis(
        "shallow residual, original block, MSE",
        "uoc2021-shallow-residual",
        "MSE",
        augmented=False,
        published=(39.7, 1.40e-2),
    ),
}
# By the digest of the graph: who trains the published code on volumes of their own feeds it in the same way.
_GRAPHS: Final = {
    "d9e6c040d259c85c": SYSTEMS["datacamp2018"],
    "cb99ba98b7294502": SYSTEMS["devto-denoiser"],
    "7aea5ffd5e30e0ae": SYSTEMS["uoc2021-shallow-residual"],
    "d358224f0466a203": SYSTEMS["uoc2021-shallow-residual"],
    "c4cc99da60bd3be7": SYSTEMS["uoc2021-skip-connection"],
    "95931d467425ca99": SYSTEMS["uoc2021-residual-unet"],
    "47cd63286bed17a8": SYSTEMS["uoc2021-myronenko"],
    # As published: with batch norm twice in a row, in full pre-activation and in original blocks.
    "54466051a53695cf": SYSTEMS["uoc2021-shallow-residual"],
    "77fde780c19eaf5a": SYSTEMS["uoc2021-shallow-residual"],
    # Published beside them, with max-pooling.
    "825dbdbd8a75fb22": _uoc2021(""),
}
_DIGITS: Final = 16


def graph_digest(graph: Graph) -> str:
    """Return a digest of a graph that does not depend on its names."""
    number = {node.name: str(index) for index, node in enumerate(graph.nodes)}
    lines = []
    for node in graph.to_parameters()["nodes"]:
        node |= {"name": number[node["name"]], "inputs": [number[name] for name in node["inputs"]]}
        if "shares" in node:
            node["shares"] = number[node["shares"]]
        lines.append(json.dumps(node, sort_keys=True))
    return hashlib.sha256("\n".join([*lines, number[graph.output]]).encode()).hexdigest()[:_DIGITS]


def weights_digest(network: "nn.Module") -> str:
    """Return a digest of a network's weights, in their order."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            digest.update(tensor.contiguous().numpy().astype("<f4").tobytes())
    return digest.hexdigest()[:_DIGITS]


def recognise(graph: Graph, network: "nn.Module") -> Known:
    """Return what is known of an imported model: of its weights, or else of its graph, or else nothing."""
    return _WEIGHTS.get(weights_digest(network)) or _GRAPHS.get(graph_digest(graph)) or Known()
