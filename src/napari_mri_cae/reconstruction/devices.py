"""The devices this machine has, and what a network runs on there."""

import os
import platform
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Literal

from napari_mri_cae.errors import InputError

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class Device:
    """Where a network runs.

    Attributes
    ----------
    name : str
        torch's name: "cpu", "cuda:0", "mps".
    precision : {"float32", "bfloat16", "float16"}
        The arithmetic of the convolutions. Everything around the network is float32.
    label : str
        What it is: "CPU, 2 threads", "NVIDIA H200".
    exact : bool
        Whether networks are computed as they are, without being rewritten for speed.
    openvino : str or None
        The version of OpenVINO, where it computes the networks that it can, and not torch.
    """

    name: str
    precision: Precision
    label: str
    exact: bool = False
    openvino: str | None = None

    @property
    def description(self) -> str:
        """What a user reads: "CPU, 2 threads, OpenVINO 2026.4.1, bfloat16", "NVIDIA H200, bfloat16"."""
        return f"{self.label}, {f'OpenVINO {self.openvino}, ' if self.openvino else ''}{self.precision}"

    @property
    def is_cpu(self) -> bool:
        """Whether this is the processor itself."""
        return self.name == "cpu"

    @property
    def torch_device(self) -> "torch.device":
        """The device as torch knows it."""
        import torch

        return torch.device(self.name)


def available_devices() -> list[str]:
    """Return the names of this machine's devices, the fastest kind first and "cpu" last."""
    import torch

    names = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return [*names, "cpu"]


def resolve_device(name: str = "auto", *, exact: bool = False) -> Device:
    """Return the device called `name`.

    Parameters
    ----------
    name : str
        "auto" (the first of `available_devices`), "cuda" (the first CUDA device) or one of the names that
        `available_devices` returns.
    exact : bool
        Compute the network as it is and in float32, also where the device has a faster arithmetic.

    Raises
    ------
    InputError
        If this machine has no such device.
    """
    import torch

    names = available_devices()
    wanted = {"auto": names[0], "cuda": "cuda:0"}.get(name, name)
    if wanted not in names:
        raise InputError(f"This machine has no device {name!r}: choose auto, {', '.join(names)}.")
    precision: Precision = "float32" if exact else _fastest_precision(wanted)
    openvino = None if exact or wanted != "cpu" else openvino_version()
    if wanted == "cpu":
        threads = torch.get_num_threads()
        label = f"CPU, {threads} thread{'s' if threads != 1 else ''}"
    elif wanted == "mps":
        label = f"Apple GPU ({platform.machine()})"
    else:
        label = torch.cuda.get_device_name(wanted)
        if torch.cuda.device_count() > 1:
            label += f" ({wanted})"
    return Device(wanted, precision, label, exact, openvino)


def openvino_version() -> str | None:
    """Return the version of OpenVINO, where networks are to be computed by it.

    That is where it is installed, on processors of Intel and AMD, on which it is the fastest
    (docs/benchmarks.md); unless the environment variable NAPARI_MRI_CAE_OPENVINO is 0.
    """
    if os.environ.get("NAPARI_MRI_CAE_OPENVINO") == "0" or platform.machine() not in ("x86_64", "AMD64"):
        return None
    return _installed_openvino()


@cache
def _installed_openvino() -> str | None:
    try:
        return version("openvino")
    except PackageNotFoundError:
        return None


def _fastest_precision(name: str) -> Precision:
    """Return bfloat16 where the device computes it natively; an emulated one is slower than float32."""
    import torch

    if name == "cpu":
        # Newer than the oldest torch we take.
        capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        native = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16")
        return "bfloat16" if native else "float32"
    if name == "mps":
        return "float32"
    return "bfloat16" if torch.cuda.get_device_capability(name) >= (8, 0) else "float16"
