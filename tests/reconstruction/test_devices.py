"""The devices of this machine, and of machines that it is made to look like."""

import platform
from collections.abc import Callable

import pytest
import torch

from napari_mri_cae.errors import InputError
from napari_mri_cae.reconstruction import available_devices, resolve_device


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make torch report other hardware."""

    def to_have(
        *,
        cuda: tuple[tuple[int, int], ...] = (),
        mps: bool = False,
        threads: int = 4,
        cpu: dict[str, object] | None = None,
    ) -> None:
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(cuda))
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda name: f"Card {name[-1]}")
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda name: cuda[int(name[-1])])
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: cpu or {}, raising=False)

    return to_have


def test_this_machine_has_its_processor() -> None:
    assert available_devices()[-1] == "cpu"
    assert len(set(available_devices())) == len(available_devices())
    device = resolve_device("cpu", exact=True)
    assert (device.name, device.precision, device.is_cpu) == ("cpu", "float32", True)
    assert device.torch_device == torch.device("cpu")
    assert device.description.startswith("CPU, ")
    assert device.description.endswith(", float32")
    assert resolve_device().name == available_devices()[0]


@pytest.mark.parametrize("name", ["abacus", "", "CPU", "cuda:99", "cpu:1"])
def test_a_device_that_is_not_there(name: str) -> None:
    choice = ", ".join(["auto", *available_devices()])
    with pytest.raises(InputError) as error:
        resolve_device(name)
    assert str(error.value) == f"This machine has no device {name!r}: choose {choice}."


def test_cuda_where_there_is_none(pretend: Callable[..., None]) -> None:
    pretend()
    with pytest.raises(InputError, match=r"^This machine has no device 'cuda': choose auto, cpu\.$"):
        resolve_device("cuda")


@pytest.mark.parametrize(
    ("cpu", "precision"),
    [
        ({"avx512_bf16": True}, "bfloat16"),
        ({"amx_bf16": True, "avx512_bf16": False}, "bfloat16"),
        ({"bf16": True}, "bfloat16"),
        ({"avx512_bf16": False, "avx2": True}, "float32"),
        ({}, "float32"),
    ],
)
def test_bfloat16_on_processors_that_compute_it(
    cpu: dict[str, object], precision: str, pretend: Callable[..., None]
) -> None:
    pretend(cpu=cpu)
    assert resolve_device("auto").description == f"CPU, 4 threads, {precision}"
    assert resolve_device("auto", exact=True).precision == "float32"


def test_a_torch_that_does_not_tell_its_processor(
    pretend: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(threads=1)
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert resolve_device("cpu").description == "CPU, 1 thread, float32"


def test_the_fastest_device_comes_first(pretend: Callable[..., None]) -> None:
    pretend(cuda=((9, 0),), mps=True)
    assert available_devices() == ["cuda:0", "mps", "cpu"]
    for name in ("auto", "cuda", "cuda:0"):
        device = resolve_device(name)
        assert (device.name, device.description) == ("cuda:0", "Card 0, bfloat16")
        assert not device.is_cpu
    assert resolve_device("cpu").is_cpu
    assert resolve_device("cuda", exact=True).description == "Card 0, float32"


def test_one_of_several_cards_says_which(pretend: Callable[..., None]) -> None:
    pretend(cuda=((8, 0), (7, 5)))
    assert resolve_device("auto").description == "Card 0 (cuda:0), bfloat16"
    assert resolve_device("cuda:1").description == "Card 1 (cuda:1), float16"


def test_an_apple_machine(pretend: Callable[..., None]) -> None:
    pretend(mps=True)
    assert available_devices() == ["mps", "cpu"]
    assert resolve_device("auto").description == f"Apple GPU ({platform.machine()}), float32"
