"""A network compiled by OpenVINO, which is an optional extra."""

import logging
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, fx, nn

from napari_mri_cae.reconstruction.devices import Precision
from napari_mri_cae.reconstruction.fused_network import fold_batch_norm
from napari_mri_cae.reconstruction.halves import halves_into, split_inputs, take_halves
from napari_mri_cae.slices import FloatArray

_log = logging.getLogger(__name__)

_PRECISIONS: Final[dict[Precision, str]] = {"bfloat16": "bf16", "float16": "f16", "float32": "f32"}
# Three planes of one volume, and one of the next.
_MOST_SIZES: Final = 4
# Tracing and keeping quiet change what the whole process does.
_compiling: Final = threading.Lock()


class OpenVinoNetwork(nn.Module):
    """Computes a network by OpenVINO, slice by slice; compiled once for each size of slices.

    So a slice comes out the same alone and in a batch. What OpenVINO cannot compile is computed by torch.

    Parameters
    ----------
    graph : torch.fx.GraphModule
        A network (N, C, H, W) to (N, 1, H, W) float32, as `traced` returns it. Is changed.
    otherwise : callable
        Returns what computes the same by torch.
    precision : {"float32", "bfloat16", "float16"}
        Of the convolutions and of what is between them.

    References
    ----------
    OpenVINO's processor plugin: https://docs.openvino.ai
    """

    leaves_input: Final = True

    def __init__(
        self, graph: fx.GraphModule, otherwise: Callable[[], nn.Module], precision: Precision
    ) -> None:
        super().__init__()
        fold_batch_norm(graph)
        if precision == "bfloat16":
            split_inputs(graph)
        # OpenVINO would compute the halves in bfloat16, and the low one would be nothing.
        self._takes = take_halves(graph)
        self._graph, self._otherwise, self._precision = graph, otherwise, precision
        self._requests: OrderedDict[torch.Size, _Request] = OrderedDict()
        self._refused: set[torch.Size] = set()
        self._by_torch: nn.Module | None = None
        # A request computes one slice at a time.
        self._lock = threading.Lock()

    @property
    def fell_back(self) -> bool:
        """Whether torch computes it, because OpenVINO could not."""
        return self._by_torch is not None

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        with self._lock:
            request = self._request_for(x[:1])
            if request is None:
                assert self._by_torch is not None
                y: Tensor = self._by_torch(x.clone(memory_format=torch.channels_last))
                return y
            # By numpy: torch would wake a thread for each of these steps, and take longer than they do.
            slices = x.float().numpy()
            results = np.empty((len(slices), *request.result_shape), np.float32)
            for number in range(len(slices)):
                request(slices[number : number + 1], results[number : number + 1])
            return torch.from_numpy(results)

    def _request_for(self, x: Tensor) -> "_Request | None":
        """Return what computes slices of this size; None if OpenVINO does not."""
        request = self._requests.pop(x.shape, None)
        if request is None and x.shape not in self._refused:
            try:
                request = _Request(self._graph, self._takes, x.shape, self._precision)
            except Exception as error:  # RuntimeError for anything that OpenVINO refuses, and torch's own.
                _log.warning("OpenVINO cannot compute this network, torch does: %s", error)
                self._refused.add(x.shape)
                self._by_torch = self._by_torch or self._otherwise()
        if request is not None:
            self._requests[x.shape] = request
            if len(self._requests) > _MOST_SIZES:
                self._requests.popitem(last=False)
        return request


class _Request:
    """A network compiled for one slice of one size, and the arrays that it reads.

    Parameters
    ----------
    graph : torch.fx.GraphModule
    takes : (bool, bool)
        Whether it takes the slices, and whether their halves, in this order.
    shape : torch.Size
        (1, C, H, W).
    precision : {"float32", "bfloat16", "float16"}
    """

    def __init__(
        self, graph: fx.GraphModule, takes: tuple[bool, bool], shape: torch.Size, precision: Precision
    ) -> None:
        takes_slices, takes_halves = takes
        _, channels, height, width = shape
        self._slices = np.zeros(shape, np.float32) if takes_slices else None
        self._halves = np.zeros((1, 3 * channels, height, width), np.float32) if takes_halves else None
        inputs = [array for array in (self._slices, self._halves) if array is not None]
        self._request = _compile(graph, inputs, precision)
        # Some networks return another size than they are given.
        self.result_shape = tuple(self._request.model_outputs[0].shape)[1:]

    def __call__(self, x: FloatArray, result: FloatArray) -> None:
        """Put into `result` what becomes of `x` (1, C, H, W)."""
        if self._slices is not None:
            np.copyto(self._slices, x)
        if self._halves is not None:
            halves_into(x, self._halves)
        np.copyto(result, self._request.infer(share_outputs=True)[0])


def _compile(network: nn.Module, inputs: Sequence[FloatArray], precision: Precision) -> Any:
    """Return an OpenVINO request that computes a network of what is in these arrays whenever it is asked."""
    import openvino
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with (
        _compiling,
        torch.inference_mode(False),
        torch.no_grad(),
        torch.autocast("cpu", enabled=False),
        warnings.catch_warnings(),
    ):
        # Sizes become constants, as they should; and torch would like another tracer, which OpenVINO has not.
        warnings.simplefilter("ignore")
        examples = tuple(map(torch.from_numpy, inputs))
        script = torch.jit.trace(network, examples, check_trace=False)  # type: ignore[no-untyped-call]
        # openvino.convert_model does the same, and reports to OpenVINO's makers that it was called.
        core = _core()
        frontend = FrontEndManager().load_by_framework("pytorch")
        decoder = TorchScriptPythonDecoder(script)  # must outlive the conversion
        graph = frontend.convert(frontend.load(decoder))
    graph.reshape({port: list(array.shape) for port, array in enumerate(inputs)})
    settings = {
        "INFERENCE_PRECISION_HINT": _PRECISIONS[precision],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
        # The viewer works on the same cores.
        "ENABLE_CPU_PINNING": False,
    }
    request = core.compile_model(graph, "CPU", settings).create_infer_request()
    for port, array in enumerate(inputs):
        request.set_input_tensor(port, openvino.Tensor(array, shared_memory=True))
    return request


@cache
def _core() -> Any:
    """Return OpenVINO, one for the whole process and until its end.

    Each gives the thread that made it a stack for signals, and takes that away when it goes, in whatever
    order and thread they go; the next Ctrl-C then ends the process with a segmentation fault (seen with
    2026.4).
    """
    import openvino

    return openvino.Core()
