"""The model file: safetensors, with the card as JSON in its header."""

import json
import struct
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_mri_cae.errors import InputError
from napari_mri_cae.models.card import Card
from napari_mri_cae.models.model import Model

if TYPE_CHECKING:
    from torch import Tensor, nn

SUFFIX: Final = ".safetensors"
# A header names the tensors and holds the card: some kilobytes. Anything far larger is no model of ours.
_LARGEST_HEADER: Final = 16 * 2**20


def save_model(model: Model, path: str | Path) -> Path:
    """Write a model into one file, beside the place first and then renamed, so that it is whole or absent.

    Parameters
    ----------
    model
        Its network's parameters and buffers are written without loss: in float16, half the size, where
        that holds every number of a tensor exactly.
    path
        Ends in ".safetensors".

    Returns
    -------
    Path
        Where the file is.

    Raises
    ------
    InputError
        If the name does not end in ".safetensors", or the file cannot be written.
    """
    from safetensors.torch import save

    path = Path(path)
    if path.suffix != SUFFIX:
        raise InputError(f"{path} is no name for a model file: let it end in {SUFFIX}.")
    tensors = {name: _narrow(tensor.detach().cpu()) for name, tensor in model.network.state_dict().items()}
    beside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(save(tensors, metadata={"card": model.card.to_json()}))
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error
    return path


def _narrow(tensor: "Tensor") -> "Tensor":
    import torch

    if tensor.dtype == torch.float32:
        half = tensor.half()
        if torch.equal(half.float(), tensor):
            return half.contiguous()
    return tensor.contiguous()


def read_card(path: str | Path) -> Card:
    """Read a model file's card from its header, without torch and without the weights.

    Raises
    ------
    InputError
        If the file cannot be read, is no model file, or is of a newer format.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= length <= min(_LARGEST_HEADER, size - 8):
                raise InputError(f"{path} is not a model file, or it is damaged; get it again.")
            text = file.read(length)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    try:
        header = json.loads(text)
        ends = (each["data_offsets"][1] for name, each in header.items() if name != "__metadata__")
        if size < 8 + length + max(ends, default=0):
            raise InputError(f"{path} is damaged; get it again.")
        card = header["__metadata__"]["card"]
    except (ValueError, RecursionError):
        raise InputError(f"{path} is not a model file, or it is damaged; get it again.") from None
    except (KeyError, TypeError, AttributeError, IndexError):
        card = None
    if not isinstance(card, str):
        raise InputError(f"{path} holds weights without a card; only napari-mri-cae's own model files open.")
    try:
        return Card.from_json(card)
    except InputError as error:
        raise InputError(f"{path} cannot be opened: {error}") from error


def read_model(path: str | Path) -> Model:
    """Read a model file.

    The network is built from the card alone; the file holds numbers and text, nothing that is executed.

    Returns
    -------
    Model
        Network in eval mode, float32, on the CPU.

    Raises
    ------
    InputError
        If the file cannot be read, is no model file, is damaged, is of a newer format, or its weights do
        not fit the architecture that its card names.
    """
    path = Path(path)
    card = read_card(path)
    return Model(_network(path, card), card, path)


def _network(path: Path, card: Card) -> "nn.Module":
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    from napari_mri_cae.models.architectures import build

    try:
        # Through memory rather than a map, so that the file may be replaced or deleted afterwards.
        tensors = load(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (SafetensorError, ValueError, RuntimeError, KeyError) as error:
        raise InputError(f"{path} is damaged; get it again.") from error
    try:
        # On the meta device nothing is allocated, however large the network that a card asks for.
        with torch.device("meta"):
            network = build(card.architecture, **card.architecture_parameters)
    except InputError as error:
        raise InputError(f"{path} cannot be opened: {error}") from error
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise InputError(
            f"{path} has weights that are infinite or no numbers, as after a training that has diverged: "
            "it cannot be used."
        )
    try:
        network.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        raise InputError(
            f"{path} is damaged: its weights do not fit the architecture {card.architecture}."
        ) from error
    return network.float().eval().requires_grad_(False)
