"""Corrupt a volume, slice by slice.

The output is float32, on the input's own intensities, grid and affine; of a
series, the chosen volume as 3-D. Strengths are on the volume's scale, on which
its minimum is 0 and its 99.95th percentile is 1; what is above is cut off
there, and voxels that are no number become the minimum. Noise is a function of
(seed, corruption, plane, slice) alone: the same as in the viewer. How it was
made is written beside it, as a .json file of the same name.
"""

import argparse
from pathlib import Path

from napari_mri_cae.cli.chain import add_chain, read_chain
from napari_mri_cae.cli.options import add_frame, add_json, add_plane, add_volume
from napari_mri_cae.cli.output import Progress, print_json, print_notes
from napari_mri_cae.files import check_sidecar, check_writable, write_sidecar


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_volume(parser, "input", "the volume to corrupt")
    parser.add_argument("output", type=Path, help="where to, a name ending in .nii, .nii.gz, .mgh or .mgz")
    add_chain(parser)
    add_plane(parser)
    add_frame(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from napari_mri_cae.volume.writing import check_volume_name

    corruptions = read_chain(arguments)
    output = check_volume_name(check_writable(arguments.output, arguments.input))
    check_sidecar(output, arguments.input)

    from napari_mri_cae.comparison.corrupt_volume import corrupt_volume
    from napari_mri_cae.comparison.provenance import describe
    from napari_mri_cae.comparison.wording import chain_text
    from napari_mri_cae.volume import Volume

    volume = Volume.load(arguments.input).frame(arguments.frame)
    print_notes(volume.notes)
    plane, seed = arguments.plane, arguments.seed
    with Progress() as progress:
        corrupted = corrupt_volume(volume, corruptions, plane=plane, seed=seed, on_progress=progress)
    volume.save_like(volume.to_intensities(corrupted), output)
    made = {
        "command": "corrupt",
        "output": output.name,
        "frame": arguments.frame,
        **describe(volume, [], corruptions=corruptions, plane=plane, seed=seed, device="CPU"),
        "notes": list(volume.notes),
    }
    sidecar = write_sidecar(output, made)
    if arguments.json:
        print_json(made)
    else:
        print(
            f"{output}: {chain_text(corruptions)}; {plane}, seed {seed}; how it was made is in {sidecar.name}"
        )
