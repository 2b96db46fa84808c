"""Muon: convolution kernels move by an orthogonal matrix."""

import math
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final

import torch
from torch import Tensor, nn

# Of the polynomial that takes singular values to near 1; from K. Jordan.
_POLYNOMIAL: Final = (3.4445, -4.7750, 2.0315)
_ITERATIONS: Final = 5
_MOMENTUM: Final = 0.95
# The root mean square of a step of Adam, as a share of its rate.
_STEP_OF_ADAM: Final = 0.2


class Muon(torch.optim.AdamW):
    """Momentum made orthogonal for the kernels of convolutions, AdamW for everything else.

    A kernel (out, in, height, width) is a matrix of `out` rows. Its momentum's singular values are all
    brought near 1, so that no direction of the gradient outweighs the others. The step is scaled to be as
    large as Adam's, so both parts share one learning rate. Kernels of a single input or output channel,
    biases and norms have nothing to make orthogonal and are AdamW's. `torch.optim.Muon` takes plain
    matrices only.

    Parameters
    ----------
    parameters
        Of the network.
    lr, betas, eps, weight_decay, fused
        As AdamW's. Kernels do not use betas and eps.

    References
    ----------
    K. Jordan, "Muon: an optimizer for hidden layers in neural networks", 2024; the scale is that of J. Liu et
    al., "Muon is scalable for LLM training", arXiv 2502.16982, 2025.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        *,
        fused: bool = True,
    ) -> None:
        kernels: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for parameter in parameters:
            is_kernel = parameter.ndim == 4 and min(parameter.shape[:2]) > 1
            (kernels if is_kernel else others).append(parameter)
        groups = [
            {"params": chosen, "orthogonal": orthogonal}
            for chosen, orthogonal in ((kernels, True), (others, False))
            if chosen
        ]
        super().__init__(groups, lr, betas, eps, weight_decay, fused=fused)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Change all parameters once; the gradients of kernels are let go."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if group["orthogonal"]:
                for kernel in group["params"]:
                    self._move(kernel, group["lr"], group["weight_decay"])
        super().step()
        return loss

    def _move(self, kernel: nn.Parameter, rate: float, weight_decay: float) -> None:
        gradient = kernel.grad
        if gradient is None:
            return
        # AdamW leaves alone what has no gradient.
        kernel.grad = None
        state = self.state[kernel]
        if not state:
            # AdamW expects a number of steps in every state that it loads.
            state["step"] = torch.zeros(())
            state["momentum"] = torch.zeros_like(kernel)
        state["step"] += 1
        momentum = state["momentum"].mul_(_MOMENTUM).add_(gradient)
        direction = orthogonal(gradient.add(momentum, alpha=_MOMENTUM).flatten(1))
        scale = _STEP_OF_ADAM * math.sqrt(max(direction.shape))
        kernel.mul_(1 - rate * weight_decay)
        kernel.add_(direction.reshape(kernel.shape), alpha=-rate * scale)


def orthogonal(matrix: Tensor) -> Tensor:
    """Return the nearest matrix whose singular values are all 1, roughly: they lie between 0.6 and 1.3.

    Five Newton-Schulz iterations, in bfloat16 where the device computes it.
    """
    rows, columns = matrix.shape
    x = matrix.T if rows > columns else matrix
    x = (x / x.norm().clamp(min=1e-7)).to(_dtype(matrix.device))
    a, b, c = _POLYNOMIAL
    for _ in range(_ITERATIONS):
        gram = x @ x.T
        polynomial = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.addmm(x, polynomial, x, beta=a)
    result: Tensor = x.T if rows > columns else x
    return result.to(matrix.dtype)


@cache
def _dtype(device: torch.device) -> torch.dtype:
    from napari_mri_cae.reconstruction.devices import resolve_device

    name = device.type if device.index is None else f"{device.type}:{device.index}"
    return torch.bfloat16 if resolve_device(name).precision == "bfloat16" else torch.float32
