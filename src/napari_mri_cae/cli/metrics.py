"""Measure a volume against a reference on the same grid.

Both are put on the reference's scale, on which its minimum is 0 and its
99.95th percentile is 1 (where the reference is above, everything from 1
upwards counts as equal), and the data range is 1.
"""

import argparse
from dataclasses import asdict

from napari_mri_cae.cli.options import add_frame, add_json, add_plane, add_volume
from napari_mri_cae.cli.output import Progress, decibels, print_facts, print_json, print_notes


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_volume(parser, "reference", "the volume that is right")
    add_volume(parser, "test", "the volume to measure")
    add_plane(parser)
    add_frame(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from napari_mri_cae.comparison.measure import measure
    from napari_mri_cae.volume import Volume

    both = [Volume.load(path) for path in (arguments.reference, arguments.test)]
    # What was made of one volume of a series is 3-D, and so may be what it is measured against.
    some = any(volume.is_series for volume in both)
    reference, test = (
        volume.frame(arguments.frame if volume.is_series or not some else 0) for volume in both
    )
    for volume in (reference, test):
        print_notes(volume.notes)
    with Progress() as progress:
        measured = measure(reference, test, plane=arguments.plane, on_progress=progress)
    window = reference.window
    if arguments.json:
        print_json(
            {
                "reference": str(arguments.reference),
                "test": str(arguments.test),
                "frame": arguments.frame,
                **asdict(measured),
                "data_range": 1.0,
                "window": asdict(window),
            }
        )
        return
    slices = f"{measured.n_slices} {measured.plane} slices"
    print_facts(
        (
            ("reference", str(arguments.reference)),
            ("test", str(arguments.test)),
            ("scale", f"the reference's: 0 is {window.low:g}, 1 is {window.high:g}; data range 1"),
            ("PSNR", f"{decibels(measured.psnr)} dB, from one MSE over the volume"),
            ("", f"{decibels(measured.psnr_slices)} dB, the mean over {slices}"),
            ("SSIM", f"{measured.ssim:.5f}, the mean over {slices}"),
            ("DSSIM", f"{measured.dssim:.6f}"),
            ("MSE", f"{measured.mse:.4g}"),
        )
    )
