"""Print the facts of a volume, or the card of a model.

FILE is a volume, a model file (.safetensors, or Keras's .h5 and .keras), or
the name of a model that 'mri-cae models' lists.
"""

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mri_cae.cli.options import add_frame, add_json
from napari_mri_cae.cli.output import decibels, print_facts, print_json, print_table

if TYPE_CHECKING:
    from napari_mri_cae.models import Card
    from napari_mri_cae.volume import Volume


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a volume or a model")
    add_frame(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    card = _card(arguments.file)
    if card is not None:
        if arguments.json:
            print_json({"kind": "model", **card.model_dump(mode="json")})
        else:
            _print_card(card)
        return
    from napari_mri_cae.volume import Volume

    facts = _facts(Volume.load(arguments.file), arguments.frame)
    if arguments.json:
        print_json(facts)
    else:
        print_facts(_readable(facts))


def _card(path: Path) -> "Card | None":
    from napari_mri_cae.models import find_models, load_model, read_card
    from napari_mri_cae.models.keras import SUFFIXES

    if path.suffix == ".safetensors":
        return read_card(path)
    if path.suffix.lower() in SUFFIXES:
        return load_model(path).card
    if path.is_file():
        return None
    found = find_models().get(str(path))
    return found[1] if found else None


def _facts(volume: "Volume", frame: int) -> dict[str, Any]:
    from napari_mri_cae.volume.units import header_units

    header = volume.header
    chosen = volume.frame(frame)
    stored = None if header is None else str(header.get_data_dtype())
    return {
        "kind": "volume",
        "file": str(volume.path),
        "shape": list(chosen.data.shape),
        "spacing_mm": [float(length) for length in volume.spacing],
        "file_axes": volume.file_axes,
        "affine": volume.affine.tolist(),
        "units": {
            name: None if unit == "unknown" else unit
            for name, unit in zip(("space", "time"), header_units(header), strict=True)
        },
        "dtype": stored,
        "is_label": volume.is_label,
        "is_series": volume.is_series,
        "n_frames": volume.n_frames,
        "frame": frame,
        "window": asdict(chosen.window),
        "notes": list(volume.notes),
    }


def _readable(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    window = facts["window"]
    yield "file", facts["file"]
    yield "shape", " x ".join(map(str, facts["shape"])) + " (I, P, L)"
    yield "spacing", " x ".join(f"{length:.4g}" for length in facts["spacing_mm"]) + " mm (I, P, L)"
    yield "axes", f"{facts['file_axes']} in the file"
    units = facts["units"]
    yield (
        "units",
        (units["space"] or "not said, mm assumed") + (f", {units['time']}" if units["time"] else ""),
    )
    yield "stored as", facts["dtype"] or ""
    yield (
        "series",
        f"{facts['n_frames']} volumes; frame {facts['frame']} below" if facts["is_series"] else "no",
    )
    yield "labels", "yes" if facts["is_label"] else "no"
    clipped = f"{window['clipped_fraction']:.3%} of the voxels are above"
    yield "window", f"0 is {window['low']:g}, 1 is {window['high']:g}; {clipped}"
    for note in facts["notes"]:
        yield "note", note


def _print_card(card: "Card") -> None:
    training = card.training
    print_facts(
        (
            ("model", card.name),
            ("title", card.title),
            ("architecture", f"{card.architecture}, {card.parameters:,} parameters"),
            ("plane", card.plane),
            ("neighbours", f"{card.neighbours} on either side of each slice" if card.neighbours else ""),
            ("intensity", card.intensity),
            ("trained on", "; ".join(source.name for source in training.data)),
            ("training", training.description),
            ("recipe", training.recipe),
            ("licence", card.licence),
            ("created", card.created),
        )
    )
    if card.metrics:
        print()
        print_table(
            ("DATA", "PLANE", "REGION", "CORRUPTION", "SLICES", "PSNR IN", "PSNR OUT", "SSIM OUT"),
            [
                (
                    row.data,
                    row.plane,
                    row.region,
                    row.corruption,
                    str(row.slices),
                    "-" if row.psnr_corrupted is None else decibels(row.psnr_corrupted),
                    decibels(row.psnr_reconstructed),
                    "-" if row.ssim_reconstructed is None else f"{row.ssim_reconstructed:.4f}",
                )
                for row in card.metrics
            ],
        )
