"""Export a model to ONNX, for programs that have no PyTorch."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_mri_cae.errors import InputError
from napari_mri_cae.intensity import SLICE_PERCENTILES, WINDOW_PERCENTILE
from napari_mri_cae.models.model import Model

if TYPE_CHECKING:
    import onnx

    from napari_mri_cae.models.card import Card

SUFFIX: Final = ".onnx"

INPUT: Final = "slices"
OUTPUT: Final = "reconstruction"

_POSES: Final = {
    "axial": "rows from anterior to posterior, columns from the patient's right to the left",
    "coronal": "rows from superior to inferior, columns from the patient's right to the left",
    "sagittal": "rows from superior to inferior, columns from anterior to posterior",
}
_SCALINGS: Final[dict[str, str]] = {
    "slice-min-max": "scale each slice linearly: its minimum becomes 0, its maximum 1",
    "slice-percentile": (
        f"scale each slice linearly, without clipping: its {SLICE_PERCENTILES[0]:g}st percentile becomes 0, "
        f"its {SLICE_PERCENTILES[1]:g}th 1"
    ),
    "slice-z-score": "scale each slice linearly to mean 0 and (population) standard deviation 1",
}
_RESIZING: Final = "bilinearly (half-pixel centres, no antialiasing)"


def export_onnx(model: Model, path: str | Path) -> Path:
    """Write a model's network as an ONNX file, whole or not at all.

    The graph is the network alone, float32: "slices" (N, 1, H, W) to "reconstruction" of the same shape, for
    any N, and any H and W that are multiples of the card's `multiple_of`; where the card has a fixed size, H
    and W are that. Of a model that looks at neighbours, "slices" are (N, 1 + 2 * neighbours, H, W). Around it
    goes what the file's metadata describe: "preprocessing" (see `describe_preprocessing`) and "card", both
    JSON.

    Parameters
    ----------
    model : Model
        Not changed.
    path : str or pathlib.Path
        Ends in ".onnx".

    Returns
    -------
    pathlib.Path
        Where the file is.

    Raises
    ------
    InputError
        If the name does not end in ".onnx", the file cannot be written, the packages that write ONNX are not
        installed, the network does something that ONNX has no operator for, or ONNX Runtime does not get the
        model's own output from it.
    """
    path = Path(path)
    if path.suffix.lower() != SUFFIX:
        raise InputError(f"{path} is no name for an ONNX file: let it end in {SUFFIX}.")
    if missing := [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]:
        raise InputError(
            f"exporting needs {', '.join(missing)}, not installed here: pip install 'napari-mri-cae[onnx]'."
        )
    graph = _graph(model)
    _describe(graph, model.card)
    beside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(graph.SerializeToString(deterministic=True))
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error
    return path


def describe_preprocessing(card: "Card") -> dict[str, Any]:
    """Return what a program has to do around a network, as JSON types.

    Returns
    -------
    dict
        "plane", "intensity", "neighbours", "fixed_size" and "multiple_of" as on the card; "value_range", that
        of the volume scale; "pose", how a slice of each plane lies; "before" and "after", the steps in words,
        in order.
    """
    before = [
        "reorder the volume: axis 0 from superior to inferior, axis 1 from anterior to posterior, axis 2 "
        "from the patient's right to the left; take slices as in pose",
        "volume scale: the minimum of the whole volume becomes 0 and its "
        f"{WINDOW_PERCENTILE:g}th percentile 1, linearly, clipped to [0, 1]; what is no number becomes 0",
    ]
    after = []
    if card.neighbours:
        before.append(
            f"give each slice {card.neighbours} neighbours on either side as channels, in the order of the "
            "volume, itself in the middle; those beyond the ends of the volume are 0 everywhere"
        )
    if card.intensity != "volume":
        before.append(_SCALINGS[card.intensity])
        after.append("scale back, slice by slice, with the same numbers")
    if card.fixed_size is not None:
        height, width = card.fixed_size
        larger = f"where a slice is higher than {height} or wider than {width}"
        before.append(f"{larger}, resize it to {height} x {width}, {_RESIZING}")
        after.append(f"{larger}, resize it back, {_RESIZING}")
    if card.fixed_size is not None or card.multiple_of > 1:
        before.append(
            f"pad height and width to {_padded(card)} by repeating the edge: half of it on either side, the "
            "odd one at the bottom and on the right"
        )
        after.append("crop the padding off")
    planes = list(_POSES) if card.plane == "any" else [card.plane]
    return {
        "plane": card.plane,
        "pose": {plane: _POSES[plane] for plane in planes},
        "value_range": [0, 1],
        "volume_window": {"low": "minimum", "high_percentile": WINDOW_PERCENTILE, "clip": True},
        "intensity": card.intensity,
        "neighbours": card.neighbours,
        "fixed_size": None if card.fixed_size is None else list(card.fixed_size),
        "multiple_of": card.multiple_of,
        "before": before,
        "after": after[::-1],
    }


def _graph(model: Model) -> "onnx.ModelProto":
    import onnx
    import torch

    multiple, fixed = model.card.multiple_of, model.card.fixed_size
    # Any number but 0 and 1, which the exporter takes for constants; different ones, so that no two are tied.
    height, width = fixed or (4 * multiple, 5 * multiple)
    size = (-(-height // multiple) * multiple, -(-width // multiple) * multiple)
    sizes: dict[int, Any] = {0: torch.export.Dim("batch")}
    if fixed is None:
        sizes |= {
            2: multiple * torch.export.Dim("rows") if multiple > 1 else torch.export.Dim("height"),
            3: multiple * torch.export.Dim("columns") if multiple > 1 else torch.export.Dim("width"),
        }
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                model.network,
                (torch.zeros(2, 1 + 2 * model.card.neighbours, *size),),
                dynamo=True,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=(sizes,),
                verbose=False,
            )
        assert program is not None
        graph: onnx.ModelProto = program.model_proto
        onnx.checker.check_model(graph, full_check=True)
        lengths = ((3, 7), (6, 4)) if fixed is None else ()
        others = [(rows * multiple, columns * multiple) for rows, columns in lengths]
        _check_outputs(model, graph, [size, *others])
    except Exception as error:
        # The exporter and the checker have errors of many unrelated kinds, one for each of their stages.
        raise InputError(
            f"the network of {model.card.name} ({model.card.architecture}) cannot be exported to ONNX "
            f"({type(error).__name__}); 'mri-cae --debug export' says why."
        ) from error
    return graph


def _check_outputs(model: Model, graph: "onnx.ModelProto", sizes: list[tuple[int, int]]) -> None:
    """Run the graph: what depended on the size in the network may have become a constant in it."""
    import numpy as np
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # What fails is raised as well.
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options)
    rng = np.random.default_rng(0)
    for count, size in enumerate(sizes, start=1):
        slices = rng.random((count, 1 + 2 * model.card.neighbours, *size), np.float32)
        with torch.no_grad():
            expected = model.network(torch.from_numpy(slices)).numpy()
        (output,) = session.run([OUTPUT], {INPUT: slices})
        if not np.allclose(output, expected, rtol=1e-3, atol=1e-4):
            raise ArithmeticError(f"the exported network gives another output than the model for {size}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks on torch's own code, and on packages it could use, to itself."""
    log = logging.getLogger("torch")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _describe(graph: "onnx.ModelProto", card: "Card") -> None:
    """Put the card into a graph, and take out what only its exporter understands."""
    import onnx

    # Lines of source files, with the paths they have on this machine.
    parts = [*graph.graph.node, *graph.graph.input, *graph.graph.output, *graph.graph.value_info]
    for part in [*parts, *graph.graph.initializer, graph.graph]:
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    graph.doc_string = card.title or card.name
    onnx.helper.set_model_props(
        graph,
        {
            "name": card.name,
            "plane": card.plane,
            "licence": card.licence,
            "preprocessing": json.dumps(describe_preprocessing(card)),
            "card": card.to_json(),
        },
    )


def _padded(card: "Card") -> str:
    """Return the size that smaller slices are padded to, in words."""
    if card.fixed_size is None:
        return f"the next multiples of {card.multiple_of}"
    height, width = (length + -length % card.multiple_of for length in card.fixed_size)
    return f"{height} x {width}"
