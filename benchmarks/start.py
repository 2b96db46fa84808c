"""How long napari takes to start with the plugin and without it, and how long the Compare dock takes to open.

    python benchmarks/start.py [--rounds 5]

Each in a process of its own, in turns: from the first line of Python to a viewer that has been painted, with
the plugin installed and with it disabled in npe2. Then, in such a viewer, from the Plugins menu's command to
the dock being painted: first without torch, which the dock goes on to load in the background, and with torch
loaded before. Wall time and CPU time. Needs a display, or Xvfb.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

PLUGIN = "napari-mri-cae"
MODES = ("without the plugin", "with the plugin", "Compare, torch not loaded", "Compare, torch loaded")


def main() -> None:
    """Run every mode in turns and print the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(measure(MODES[options.one])))
        return
    results: dict[str, list[dict[str, float]]] = {mode: [] for mode in MODES}
    for _ in range(options.rounds):
        for number, mode in enumerate(MODES):
            command = [sys.executable, __file__, "--one", str(number)]
            finished = subprocess.run(command, check=True, capture_output=True, text=True)
            results[mode].append(json.loads(finished.stdout.splitlines()[-1]))
    for mode, measured in results.items():
        wall, cpu = (statistics.median(one[key] for one in measured) for key in ("wall", "cpu"))
        loaded = " torch is loaded" if all(one["torch"] for one in measured) else " torch is not loaded"
        print(f"{mode:28s} wall {wall:6.2f} s   CPU {cpu:6.2f} s  {loaded}")


def measure(mode: str) -> dict[str, float]:
    """Return the seconds of one mode, and whether torch was there at their end."""
    start, cpu = time.perf_counter(), time.process_time()
    if mode == "without the plugin":
        from npe2 import PluginManager

        PluginManager.instance().disable(PLUGIN)
    import napari
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer()
    QApplication.processEvents()
    if mode.startswith("Compare"):
        if mode == "Compare, torch loaded":
            import torch  # noqa: F401
        start, cpu = time.perf_counter(), time.process_time()
        viewer.window.add_plugin_dock_widget(PLUGIN, "Compare")
        QApplication.processEvents()
    result = {
        "wall": time.perf_counter() - start,
        "cpu": time.process_time() - cpu,
        "torch": "torch" in sys.modules and hasattr(sys.modules["torch"], "nn"),
    }
    end = time.monotonic() + 60
    # What has begun in the background has to end before the interpreter does.
    while mode.startswith("Compare") and time.monotonic() < end and not _torch_is_there():
        QApplication.processEvents()
        time.sleep(0.05)
    viewer.close()
    return result


def _torch_is_there() -> bool:
    return "torch._dynamo" in sys.modules or hasattr(sys.modules.get("torch"), "compile")


if __name__ == "__main__":
    main()
