"""See what a model does to a brain volume: original, corrupted, reconstructed and residual.

Opens napari with the volume in the Compare dock, a little noise injected. With
--screenshot it writes the picture of the window instead, prints the metrics
and ends; without a display it does so too, on a virtual screen (Xvfb) or,
where there is none, without a window.
"""

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from napari_mri_cae.cli.display import has_display, virtual_display
from napari_mri_cae.cli.options import add_frame, add_json, add_model
from napari_mri_cae.cli.output import Progress, decibels, print_facts, print_json, print_notes, print_table
from napari_mri_cae.cli.window import WindowFailed, open_window
from napari_mri_cae.errors import InputError
from napari_mri_cae.files import check_writable

_PICTURE: Final = Path("mri-cae-demo.png")
_HOW_TO: Final = (
    "To get the window, run this where there is a display, or install Xvfb "
    "(on Debian and Ubuntu: sudo apt-get install xvfb libegl1 libgl1-mesa-dri libxcb-cursor0)."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "volume", type=Path, nargs="?", help="a volume of your own (default: the MNI152 template)"
    )
    add_model(parser)
    parser.add_argument(
        "--screenshot",
        type=Path,
        metavar="OUT.png",
        help=f"write the window's picture and end (default without a display: {_PICTURE})",
    )
    add_frame(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    picture = arguments.screenshot
    display = has_display()
    if picture is None and not display:
        picture = _PICTURE
    if picture is not None:
        if picture.suffix.lower() != ".png":
            raise InputError(f"{picture} is no name of a picture: end it in .png.")
        picture = check_writable(picture)
    settings = {
        "volume": None if arguments.volume is None else str(arguments.volume),
        "frame": arguments.frame,
        "model": arguments.model,
        "screenshot": None if picture is None else str(picture),
    }
    try:
        report = _in_window(settings, display=display)
    except WindowFailed as failure:
        picture = check_writable(_PICTURE) if picture is None else picture
        print(f"mri-cae: no window: {failure} {_HOW_TO}", file=sys.stderr)
        report = _without_window(settings, picture)
    if report is None:
        return
    if arguments.json:
        print_json({**report, "picture": str(picture)})
    else:
        _print_report(report, picture)


def _in_window(settings: dict[str, Any], *, display: bool) -> dict[str, Any] | None:
    with _terminable():
        if display:
            return open_window(settings, dict(os.environ))
        with virtual_display() as environment:
            if environment is None:
                raise WindowFailed("there is no display and no Xvfb.")
            return open_window(settings, environment)


@contextmanager
def _terminable() -> Iterator[None]:
    """Let a request to terminate end the processes that were started, too."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _without_window(settings: dict[str, Any], picture: Path) -> dict[str, Any]:
    from napari_mri_cae.comparison import Comparison
    from napari_mri_cae.comparison.picture import save_picture
    from napari_mri_cae.comparison.report import comparison_report
    from napari_mri_cae.corruptions import GaussianNoise
    from napari_mri_cae.sample import sample_volume
    from napari_mri_cae.volume import Volume

    volume = sample_volume() if settings["volume"] is None else Volume.load(settings["volume"])
    volume = volume.frame(settings["frame"])
    print_notes(volume.notes)
    comparison = Comparison(volume, settings["model"], [GaussianNoise(sigma=0.03)])
    with Progress() as progress:
        for _ in comparison.run():
            progress(int(comparison.done.sum()), comparison.n_slices)
    save_picture(comparison, picture)
    return comparison_report(comparison)


def _print_report(report: dict[str, Any], picture: Path | None) -> None:
    one, whole = report["slice"], report["summary"]
    print_facts(
        (
            ("volume", report["volume"]["name"]),
            ("corruptions", f"{_corruptions(report)}; seed {report['seed']}"),
            ("model", f"{report['model']['name']}, on {report['device']}"),
            ("picture", str(picture)),
        )
    )
    print()
    print_table(
        (f"{report['plane']}", "PSNR (dB)", "SSIM", "MSE"),
        [
            (
                f"{where}, {image}",
                decibels(values[f"psnr_{image}"]),
                f"{values[f'ssim_{image}']:.4f}",
                f"{values[f'mse_{image}']:.3g}",
            )
            for where, values in (
                (f"slice {one['index']}", one),
                (f"all {whole['n_slices']:.0f} slices", whole),
            )
            for image in ("corrupted", "reconstructed")
        ],
    )


def _corruptions(report: dict[str, Any]) -> str:
    from napari_mri_cae.comparison.wording import chain_text
    from napari_mri_cae.corruptions import Corruption

    return chain_text(map(Corruption.from_dict, report["corruptions"]))
