"""Slices a second of our reconstruction beside its peers, each with its difference to float32.

    python benchmarks/reconstruction.py --keras /tmp/keras/bin/python --out docs/benchmarks

Every contestant is a process of its own, with the same weights and slices and as many threads. They wait
for each other: in each round one after the other computes for a second, the rounds go on in turn, and
the medians are shown. A contestant whose package is not installed is left out and named at the end. What one
needs: OpenVINO and ONNX Runtime in this environment (or in a folder given with --packages), torch.compile a
C++ compiler, and Keras an environment of its own:

    python -m venv /tmp/keras && /tmp/keras/bin/pip install keras tensorflow-cpu

The floor is what the machine could do: the network's operations at the rate of a large matrix product or
convolution, or its layers' outputs written and read once at the rate of a copy, whichever takes longer.
(Arithmetic that a smarter algorithm avoids is counted, so the floor is one of the usual convolution.)

"ratio" is ours over theirs: above 1, ours is faster. Look at the ratios, at CPU time where other work
disturbs, and at nothing else if the machine is busy: the load before and after is written down.
"""

import argparse
import datetime
import importlib.util
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

SIZES = (128, 176, 256)
VOLUME = 32  # slices
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "datacamp2018": ("datacamp2018", {}),
    "uoc2021-residual-unet": ("uoc2021-residual-unet", {}),
    "denoiser-any": ("", {}),  # as shipped
    "denoiser-any-2.5d": ("", {}),
}
OURS = "ours, network"
PEERS = {
    OURS: "one slice at a time, tensor in, tensor out; by OpenVINO where that is installed",
    "ours, volume": "reconstruct_volume: a whole volume in, a whole volume out",
    "ours, torch": "without OpenVINO, one slice at a time",
    "ours, float32": "without OpenVINO, as on a processor without bfloat16, one slice at a time",
    "ours, exact": "the plain network in float32, one slice at a time",
    "PyTorch [32]": "eager, float32, batches of 32",
    "PyTorch [1]": "eager, float32, one slice at a time",
    "PyTorch bf16 [1]": "eager, autocast to bfloat16, channels last, one slice at a time",
    "torch.compile": "float32, one slice at a time",
    "torch.compile bf16": "autocast to bfloat16, channels last, one slice at a time",
    "ONNX Runtime": "float32, one slice at a time",
    "OpenVINO f32": "one slice at a time",
    "OpenVINO bf16": "one slice at a time",
    "Keras predict": "Keras 3 on TensorFlow, float32, model.predict of the whole volume, batches of 32",
}
Compute = Callable[[], int]


def network_of(name: str) -> Any:
    """Return a network: as shipped, or with weights and statistics drawn at random, the same each time."""
    import torch
    from torch import nn

    from napari_mri_cae import load_model
    from napari_mri_cae.models.architectures import build

    architecture, parameters = NETWORKS[name]
    if not architecture:
        return load_model(name).network
    torch.manual_seed(0)
    network = build(architecture, **parameters)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
    if hasattr(network, "last"):
        nn.init.normal_(network.last.weight, 0, 0.01)
    return network.eval()


def volume_of(size: int) -> np.ndarray:
    """Return (VOLUME, size, size) float32: textured, noisy ellipses that shrink, dark around."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    texture = 0.5 + 0.25 * np.sin(17 * rows) * np.cos(23 * columns)
    radius = np.linspace(0.9, 0.3, VOLUME)[:, None, None]
    image = np.where(rows**2 + (1.2 * columns) ** 2 < radius, texture, 0)
    return (image + 0.03 * rng.standard_normal(image.shape)).clip(0, 1).astype(np.float32)


def inputs_of(volume: np.ndarray, network: Any) -> Any:
    """Return the slices as the network takes them, (VOLUME, C, size, size), each with its neighbours."""
    from napari_mri_cae.slices import take_slices

    return take_slices(volume, "axial", tuple(range(len(volume))), getattr(network, "neighbours", 0))


# --- one contestant -------------------------------------------------------------------------------------


def contestant(peer: str, case: str, size: int, threads: int, folder: Path) -> tuple[Compute, np.ndarray]:
    """Return what computes some slices, and tells how many, and its reconstruction of the volume."""
    if peer.startswith("ours"):
        import napari_mri_cae  # noqa: F401 (before torch: it says how long OpenMP's threads spin)
    import torch

    torch.set_num_threads(threads)
    network, volume = network_of(case), volume_of(size)
    inputs = inputs_of(volume, network)
    if peer.startswith("ours"):
        return _ours(peer, network, volume, inputs)
    if peer.startswith(("ONNX", "OpenVINO")):
        return _runtime(peer, network, inputs, threads, folder)
    bf16, batch = "bf16" in peer, 32 if "[32]" in peer else 1
    if bf16:
        network, inputs = (item.to(memory_format=torch.channels_last) for item in (network, inputs))
    run = torch.compile(network) if "compile" in peer else network
    parts = inputs.split(batch)

    def infer(part: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            result: torch.Tensor = run(part).float()
            return result

    return _in_turn(infer, parts), np.concatenate([infer(part)[:, 0].numpy() for part in parts])


def _in_turn(infer: Callable[[Any], Any], parts: Any) -> Compute:
    """Return what computes one part after the other."""
    place = 0

    def compute() -> int:
        nonlocal place
        part = parts[place % len(parts)]
        infer(part)
        place += 1
        return len(part)

    return compute


def _ours(peer: str, network: Any, volume: np.ndarray, inputs: Any) -> tuple[Compute, np.ndarray]:
    from napari_mri_cae.models import Card, Model
    from napari_mri_cae.reconstruction import Reconstructor
    from napari_mri_cae.reconstruction.volume import reconstruct_volume

    if peer in ("ours, torch", "ours, float32"):
        os.environ["NAPARI_MRI_CAE_OPENVINO"] = "0"
    card = Card(
        name="benchmark",
        architecture="benchmark",
        architecture_parameters={"neighbours": getattr(network, "neighbours", 0)},
        multiple_of=network.multiple_of,
    )
    model = Model(network, card)
    devices = "napari_mri_cae.reconstruction.devices"
    with (
        patch(f"{devices}._fastest_precision", return_value="float32") if "float32" in peer else nullcontext()
    ):
        reconstructor = Reconstructor(model, "cpu", exact="exact" in peer)
    if "volume" in peer:
        whole = reconstruct_volume(volume, reconstructor)
        return lambda: len(reconstruct_volume(volume, reconstructor)), whole
    parts = inputs.split(1)
    whole = np.concatenate([reconstructor(part)[:, 0].numpy() for part in parts])
    return _in_turn(reconstructor, parts), whole


def _runtime(peer: str, network: Any, inputs: Any, threads: int, folder: Path) -> tuple[Compute, np.ndarray]:
    import torch

    parts = [part.numpy() for part in inputs.split(1)]
    if peer == "ONNX Runtime":
        import onnxruntime

        path = folder / f"{os.getpid()}.onnx"
        torch.onnx.export(network, (inputs[:1],), path, dynamo=True, input_names=["x"], verbose=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

        def infer(part: np.ndarray) -> np.ndarray:
            result: np.ndarray = session.run(None, {"x": part})[0]
            return result

    else:
        import openvino

        graph = openvino.convert_model(network, example_input=inputs[:1])
        graph.reshape(list(inputs[:1].shape))
        settings = {
            "INFERENCE_PRECISION_HINT": peer.split()[-1],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
        }
        request = openvino.Core().compile_model(graph, "CPU", settings).create_infer_request()

        def infer(part: np.ndarray) -> np.ndarray:
            result: np.ndarray = request.infer({0: part}, share_inputs=True, share_outputs=True)[0]
            return result

    whole = np.concatenate([infer(part)[:, 0].copy() for part in parts])
    return _in_turn(infer, parts), whole


def difference(result: np.ndarray, reference: np.ndarray) -> dict[str, float | None]:
    """Return the largest difference and the PSNR at a data range of 1 (None where nothing differs)."""
    error = np.asarray(result, np.float64) - reference
    mse = float((error**2).mean())
    return {"max": float(np.abs(error).max()), "psnr": -10 * float(np.log10(mse)) if mse else None}


def serve(compute: Compute) -> None:
    """For each line with a number of seconds, compute so long and answer with the rates."""
    for line in sys.stdin:
        until, count = time.perf_counter() + float(line), 0
        wall, cpu = time.perf_counter(), time.process_time()
        while time.perf_counter() < until or not count:
            count += compute()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(json.dumps({"rate": count / wall, "cpu_ms": 1000 * cpu / count}), flush=True)


def work(peer: str, case: str, size: int, threads: int, folder: Path) -> None:
    """Be a contestant."""
    compute, whole = contestant(peer, case, size, threads, folder)
    print(json.dumps(difference(whole, np.load(folder / "reference.npy"))), flush=True)
    serve(compute)


# --- the floor ------------------------------------------------------------------------------------------


def machine_rates(threads: int) -> dict[str, float]:
    """Return operations a second of large products, and bytes a second of a copy (read and written)."""
    import torch

    torch.set_num_threads(threads)

    def best(run: Callable[[], Any], repeats: int = 7) -> float:
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        return min(times)

    rates = {}
    for name in ("float32", "bfloat16"):
        dtype = getattr(torch, name)
        one = torch.randn(1536, 1536).to(dtype)
        # The libraries behind products and convolutions differ, and one may not know this processor well.
        image = torch.randn(1, 256, 48, 48).to(dtype, memory_format=torch.channels_last)
        kernel = torch.randn(256, 256, 3, 3).to(dtype, memory_format=torch.channels_last)
        with torch.inference_mode():
            rates[name] = max(
                2 * 1536**3 / best(lambda one=one: one @ one),  # type: ignore[misc]
                2 * 256**2 * 9 * 46**2 / best(lambda a=image, b=kernel: torch.conv2d(a, b), 20),  # type: ignore[misc]
            )
    source = torch.zeros(2**26, dtype=torch.uint8)
    target = torch.empty_like(source)
    rates["copy"] = 2 * 2**26 / best(lambda: target.copy_(source))
    return rates


def work_in(case: str, size: int) -> tuple[float, float]:
    """Return the network's operations on a slice, and how many numbers its layers' results have."""
    import torch
    from torch import nn

    operations = numbers = 0.0

    def count(layer: nn.Module, given: Any, result: torch.Tensor) -> None:
        nonlocal operations, numbers
        numbers += result.numel()
        if isinstance(layer, nn.ConvTranspose2d):
            operations += 2 * layer.weight[0].numel() * given[0].numel()
        elif isinstance(layer, nn.Conv2d):
            operations += 2 * layer.weight[0].numel() * result.numel()

    network = network_of(case)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(count)
    with torch.inference_mode():
        network(torch.zeros(1, 1, size, size))  # a network with neighbours makes them empty
    return operations, numbers


def floor(case: str, size: int, rates: dict[str, float]) -> dict[str, float]:
    """Return the most slices a second that the machine could do."""
    operations, numbers = work_in(case, size)
    found = {"operations": operations, "numbers": numbers}
    for name, width in (("float32", 4), ("bfloat16", 2)):
        found[name] = 1 / max(operations / rates[name], 2 * width * numbers / rates["copy"])
    return found


# --- all of them ----------------------------------------------------------------------------------------


def wanted(options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Return the contestants, and why the others are left out."""
    left_out = {
        "ONNX Runtime": _missing("onnxruntime", "onnxscript"),
        "OpenVINO f32": _missing("openvino"),
        "OpenVINO bf16": _missing("openvino"),
        "Keras predict": "" if options.keras else "no interpreter was given with --keras",
    }
    compiler = "" if shutil.which("c++") or shutil.which("g++") else "there is no C++ compiler"
    left_out |= dict.fromkeys(("torch.compile", "torch.compile bf16"), compiler)
    chosen = [peer for peer in PEERS if not options.only or peer in (OURS, *options.only)]
    return (
        [peer for peer in chosen if not left_out.get(peer)],
        [f"{peer}: {left_out[peer]}" for peer in chosen if left_out.get(peer)],
    )


def _missing(*packages: str) -> str:
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    return f"{' and '.join(missing)} not installed" if missing else ""


def measure(case: str, size: int, peers: list[str], options: argparse.Namespace) -> dict[str, Any]:
    """Let the contestants compute in turn."""
    import torch

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        network = network_of(case)
        inputs = inputs_of(volume_of(size), network)
        with torch.inference_mode():
            reference = np.concatenate([network(part)[:, 0].numpy() for part in inputs.split(1)])
        np.save(folder / "reference.npy", reference)
        np.save(folder / "slices.npy", inputs.permute(0, 2, 3, 1).contiguous().numpy())
        if "Keras predict" in peers:
            np.savez(folder / "weights.npz", **_keras_weights(network))
        found: dict[str, Any] = {}
        running: dict[str, subprocess.Popen[str]] = {}
        try:
            for peer in peers:
                with (folder / f"{len(running)}.log").open("w+") as log:
                    running[peer] = subprocess.Popen(
                        _command(peer, case, size, folder, options),
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=log,
                        text=True,
                    )
                    answer = _answer(running[peer])
                    if answer is None:
                        log.seek(0)
                        reason = (log.read().strip() or "no reason given").splitlines()[-1]
                        running.pop(peer).wait()
                        found[peer] = {"failed": reason}
                        print(f"  {peer} failed: {reason}", file=sys.stderr)
                        continue
                found[peer] = {"difference": answer, "rounds": []}
            for number in range(options.rounds + 1):
                for peer, process in running.items():
                    answer = _ask(process, options.seconds)
                    if number and answer:  # the first round warms up
                        found[peer]["rounds"].append(answer)
        finally:
            for process in running.values():
                process.communicate()
    return found


def _command(peer: str, case: str, size: int, folder: Path, options: argparse.Namespace) -> list[str]:
    if peer == "Keras predict":
        script = Path(__file__).with_name("reconstruction_keras.py")
        return [options.keras, str(script), case, str(size), str(options.threads), str(folder)]
    arguments = [peer, case, str(size), str(options.threads), str(folder)]
    more = ["--packages", options.packages] if options.packages else []
    return [sys.executable, __file__, *more, "--worker", *arguments]


def _answer(process: "subprocess.Popen[str]") -> dict[str, Any] | None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):  # and not what a library had to say
            answer: dict[str, Any] = json.loads(line)
            return answer
    return None


def _ask(process: "subprocess.Popen[str]", seconds: float) -> dict[str, Any] | None:
    assert process.stdin is not None
    process.stdin.write(f"{seconds}\n")
    process.stdin.flush()
    return _answer(process)


def _keras_weights(network: Any) -> dict[str, np.ndarray]:
    """Return the weights by kind of layer and number, in Keras's order of axes."""
    from torch import nn

    weights: dict[str, np.ndarray] = {}
    kinds = {
        nn.Conv2d: "conv2d",
        nn.ConvTranspose2d: "conv2d_transpose",
        nn.BatchNorm2d: "batch_normalization",
    }
    numbers = dict.fromkeys(kinds.values(), 0)
    for layer in network.modules():
        name = next((name for kind, name in kinds.items() if isinstance(layer, kind)), None)
        if name is None:
            continue
        parts = (
            (layer.weight, layer.bias, layer.running_mean, layer.running_var)
            if name == "batch_normalization"
            else (layer.weight.permute(2, 3, 1, 0), layer.bias)
        )
        for place, part in enumerate(parts):
            weights[f"{name}/{numbers[name]}/{place}"] = part.detach().numpy()
        numbers[name] += 1
    return weights


def table(case: str, size: int, found: dict[str, Any], limit: dict[str, float]) -> list[str]:
    """Return a Markdown table."""
    own = found[OURS]["rounds"]
    lines = [
        f"### {case}, {size} x {size}",
        "",
        f"{limit['operations'] / 1e9:.2f} G operations a slice; floor {limit['float32']:.0f} slices/s in "
        f"float32, {limit['bfloat16']:.0f} in bfloat16.",
        "",
        "| | slices/s | ratio | ratio of CPU time | CPU ms/slice | max difference | PSNR, dB |",
        "|---|---|---|---|---|---|---|",
    ]
    for peer, result in found.items():
        if "failed" in result:
            lines.append(f"| {peer} | failed: {result['failed']} | | | | | |")
            continue
        rounds = result["rounds"]
        rate = statistics.median(one["rate"] for one in rounds)
        cpu = statistics.median(one["cpu_ms"] for one in rounds)
        # Of each round, so that what disturbs the machine meanwhile disturbs both.
        ratio = statistics.median(mine["rate"] / one["rate"] for mine, one in zip(own, rounds, strict=True))
        times = statistics.median(
            one["cpu_ms"] / mine["cpu_ms"] for mine, one in zip(own, rounds, strict=True)
        )
        error = result["difference"]
        psnr = "same" if error["psnr"] is None else f"{error['psnr']:.1f}"
        lines.append(
            f"| {peer} | {rate:.1f} | {ratio:.2f} | {times:.2f} | {cpu:.2f} | {error['max']:.1e} | {psnr} |"
        )
    return [*lines, ""]


def processor() -> str:
    """Return what the processor calls itself."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else platform.machine()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keras", metavar="PYTHON", help="an interpreter that has keras and tensorflow-cpu")
    parser.add_argument("--packages", metavar="FOLDER", help="where more packages are, such as OpenVINO")
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--only", nargs="+", choices=list(PEERS), help="these contestants alone, and ours")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each contestant in each round")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--out", metavar="FOLDER", help="write JSON and Markdown there, named by the processor"
    )
    parser.add_argument("--worker", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.packages:
        sys.path.append(options.packages)
    if options.worker:
        peer, case, size, threads, folder = options.worker
        work(peer, case, int(size), int(threads), Path(folder))
        return
    peers, left_out = wanted(options)
    rates = machine_rates(options.threads)
    report: dict[str, Any] = {
        "processor": processor(),
        "threads": options.threads,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "system": platform.platform(),
        "rates": rates,
        "load_before": os.getloadavg(),
        "cases": [],
    }
    lines = [
        f"{report['processor']}, {options.threads} threads, {report['date']}. Matrix products: "
        f"{rates['float32'] / 1e9:.0f} G operations/s in float32, {rates['bfloat16'] / 1e9:.0f} in bfloat16; "
        f"copies: {rates['copy'] / 1e9:.1f} GB/s.",
        "",
        *(f"- {peer}: {PEERS[peer]}" for peer in peers),
        *(f"- left out: {reason}" for reason in left_out),
        "",
    ]
    print("\n".join(lines), flush=True)
    for case in options.networks:
        for size in options.sizes:
            found, limit = measure(case, size, peers, options), floor(case, size, rates)
            report["cases"].append({"network": case, "size": size, "floor": limit, "contestants": found})
            part = table(case, size, found, limit)
            print("\n".join(part), flush=True)
            lines += part
            report["load_after"] = os.getloadavg()
            if options.out:  # after each, so that a run that is cut short leaves what it has
                _write(Path(options.out), report, lines)
    print(f"load: {report['load_before'][0]:.1f} before, {report['load_after'][0]:.1f} after")


def _write(folder: Path, report: dict[str, Any], lines: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", f"reconstruction-{report['processor']}-{report['threads']}".lower())
    load = f"Load: {report['load_before'][0]:.1f} before, {report['load_after'][0]:.1f} after."
    text = "\n".join(["# Reconstruction", "", *lines, load, ""])
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    (folder / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
