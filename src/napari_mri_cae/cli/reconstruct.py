"""Run a model over a volume, slice by slice.

The outputs are float32, on the input's own intensities, grid and affine; of a
series, the chosen volume as 3-D. The model sees the volume's scale, on which
its minimum is 0 and its 99.95th percentile is 1; what is above is cut off
there, and voxels that are no number become the minimum. What does not look
like the volumes that the model was trained on is said in notes. How it was made
is written beside the output, as a .json file of the same name.
"""

import argparse
import time
from pathlib import Path

from napari_mri_cae.cli.options import add_frame, add_json, add_model, add_plane, add_volume
from napari_mri_cae.cli.output import Progress, print_json, print_notes
from napari_mri_cae.errors import InputError
from napari_mri_cae.files import check_sidecar, check_writable, write_sidecar


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_volume(parser, "input", "the volume to reconstruct")
    parser.add_argument("output", type=Path, help="where to, a name ending in .nii, .nii.gz, .mgh or .mgz")
    parser.add_argument(
        "--residual", type=Path, metavar="OUT2", help="write original - reconstruction too, in intensities"
    )
    add_model(parser)
    add_plane(parser)
    parser.add_argument(
        "--device",
        default="auto",
        metavar="D",
        help="auto, cpu, cuda, cuda:1, mps ... (default: auto, the fastest there is)",
    )
    parser.add_argument(
        "--exact", action="store_true", help="compute in float32, also where the device has something faster"
    )
    add_frame(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from napari_mri_cae.volume.writing import check_volume_name

    output = check_volume_name(check_writable(arguments.output, arguments.input))
    residual = arguments.residual and check_volume_name(check_writable(arguments.residual, arguments.input))
    if residual and residual.resolve() == output.resolve():
        raise InputError(f"{residual} is the output itself: choose another name for the residual.")
    check_sidecar(output, arguments.input, *([residual] if residual else []))

    from napari_mri_cae.comparison.provenance import describe
    from napari_mri_cae.models import load_model, unfamiliar
    from napari_mri_cae.reconstruction import Reconstructor
    from napari_mri_cae.reconstruction.volume import reconstruct_volume
    from napari_mri_cae.volume import Volume

    volume = Volume.load(arguments.input).frame(arguments.frame)
    model = load_model(arguments.model)
    reconstructor = Reconstructor(model, arguments.device, exact=arguments.exact)
    plane, device = arguments.plane, reconstructor.device.description
    remarks = unfamiliar(volume, plane, model.card)
    print_notes([*volume.notes, *remarks])
    started = time.perf_counter()
    with Progress() as progress:
        reconstructed = reconstruct_volume(
            volume.normalized, reconstructor, plane=plane, on_progress=progress
        )
    seconds = time.perf_counter() - started
    intensities = volume.to_intensities(reconstructed)
    volume.save_like(intensities, output)
    if residual:
        volume.save_like(volume.to_intensities(volume.normalized) - intensities, residual)
    made = {
        "command": "reconstruct",
        "output": output.name,
        "residual": residual.name if residual else None,
        "frame": arguments.frame,
        **describe(volume, [model], corruptions=(), plane=plane, seed=0, device=device),
        "notes": [*volume.notes, *remarks],
    }
    sidecar = write_sidecar(output, made)
    if arguments.json:
        print_json(made)
    else:
        print(
            f"{output}: {model.card.name}, {plane}, on {device}, in {seconds:.1f} s; "
            f"how it was made is in {sidecar.name}"
        )
