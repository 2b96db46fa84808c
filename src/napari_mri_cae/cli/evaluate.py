"""Measure models, and classical methods beside them, on corrupted slices.

Every slice is corrupted in each way that is asked for, and each model's
reconstruction is measured against the clean slice, over the whole slice and
inside the brain mask. Strengths are on the volume's scale, on which its minimum
is 0 and its 99.95th percentile is 1, and the data range is 1. The corrupted
slice itself is measured too, as the model "identity".

The table has one row per volume, plane, slice, corruption, model and region.
Means, tests between models and how it was made are written beside it, as a
.json file of the same name. A volume that cannot be measured is left out, and a
note says so. An evaluation that was interrupted goes on where it was when the
same command is given again.
"""

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mri_cae.cli.chain import OPTIONS, describe_parameter, parameter_type
from napari_mri_cae.cli.options import add_frame, add_json, whole_number
from napari_mri_cae.cli.output import Progress, decibels, print_json, print_table
from napari_mri_cae.corruptions import Corruption
from napari_mri_cae.models.registry import DEFAULT_MODEL
from napari_mri_cae.planes import PLANES

if TYPE_CHECKING:
    from napari_mri_cae.evaluation import Summary


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("volumes", type=Path, nargs="+", help="the volumes (NIfTI, MGH, Analyze or MINC)")
    parser.add_argument(
        "--model",
        action="append",
        metavar="M",
        help="a name of 'mri-cae models', or a .safetensors, .h5 or .keras file; may be repeated "
        "(default: the shipped one)",
    )
    group = parser.add_argument_group(
        "corruptions", "Each strength is measured by itself. Without any, clean slices are measured."
    )
    for option, (kind, field, metavar) in OPTIONS.items():
        group.add_argument(
            option,
            action="extend",
            nargs="+",
            type=parameter_type(kind, field),
            metavar=metavar,
            help=f"{kind.label}. {describe_parameter(kind, field)}",
        )
    group.add_argument(
        "--chain",
        action="append",
        type=_chain,
        metavar="A=X,B=Y",
        help="several corruptions one after the other, such as gaussian=0.03,blank=20; may be repeated",
    )
    group.add_argument("--clean", action="store_true", help="clean slices, beside the corrupted ones")
    parser.add_argument(
        "--plane",
        choices=PLANES,
        nargs="+",
        default=["axial"],
        help="planes the slices are taken in (default: axial)",
    )
    parser.add_argument(
        "--baseline",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME",
        help="classical methods: gaussian, median, tv, nlm, and bm3d where that package is installed",
    )
    parser.add_argument(
        "--slices",
        choices=("brain", "all"),
        default="brain",
        help="those that hold brain, or all, with the empty ones (default: brain)",
    )
    parser.add_argument(
        "--every", type=whole_number(1), default=1, metavar="N", help="every n-th slice (default: 1)"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="TABLE.tsv", help="where the table goes"
    )
    parser.add_argument(
        "--report", type=Path, metavar="REPORT.html", help="write a page with pictures, curves and tests too"
    )
    parser.add_argument(
        "--seed",
        type=whole_number(0, 2**64 - 1),
        default=0,
        metavar="K",
        help="what all noise depends on, with the corruption, the plane and the slice (default: 0)",
    )
    parser.add_argument(
        "--device",
        default="auto",
        metavar="D",
        help="of the networks: auto, cpu, cuda, cuda:1, mps ... (default: auto, the fastest there is)",
    )
    parser.add_argument(
        "--exact", action="store_true", help="compute in float32, also where the device has something faster"
    )
    add_frame(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from napari_mri_cae.evaluation import EvaluationPlan, EvaluationSettings, carry_out, summarize

    plan = EvaluationPlan(
        volumes=tuple(arguments.volumes),
        models=tuple(arguments.model or [DEFAULT_MODEL]),
        conditions=tuple(map(tuple, _conditions(arguments))),
        baselines=tuple(arguments.baseline),
        settings=EvaluationSettings(
            planes=tuple(dict.fromkeys(arguments.plane)),
            slices=arguments.slices,
            every=arguments.every,
            seed=arguments.seed,
            device=arguments.device,
            exact=arguments.exact,
        ),
        frame=arguments.frame,
        output=arguments.output.expanduser(),
        report=arguments.report and arguments.report.expanduser(),
    )
    command = shlex.join(["mri-cae", *sys.argv[1:]]) if sys.argv[1:2] == ["evaluate"] else ""

    def resumed(slices: int) -> None:
        _note(f"going on after {slices} slices of an evaluation that was interrupted")

    with Progress() as progress:
        outputs = carry_out(plan, command=command, on_progress=progress, on_resume=resumed)
    if outputs.was_complete:
        _note(f"{plan.output} was complete already, and nothing was measured again")
    for remark in outputs.remarks:
        _note(remark)
    if arguments.json:
        print_json(outputs.made)
    else:
        _print_summaries(summarize(outputs.rows))
        print()
        print(
            f"{plan.output}: {len(outputs.rows)} rows; means, tests and how it was made are in "
            f"{outputs.sidecar.name}" + (f", and a report is in {plan.report}" if plan.report else "")
        )


def _note(sentence: str) -> None:
    print("note:", sentence, file=sys.stderr)


def _conditions(arguments: argparse.Namespace) -> list[list[Corruption]]:
    """Return the chains that were asked for, the clean slice first."""
    chains: list[list[Corruption]] = [
        [kind(**{field: value})]
        for option, (kind, field, _) in OPTIONS.items()
        for value in dict.fromkeys(getattr(arguments, option.lstrip("-").replace("-", "_")) or [])
    ]
    chains += arguments.chain or []
    return [[], *chains] if arguments.clean or not chains else chains


def _chain(text: str) -> list[Corruption]:
    """Return the corruptions of a text such as "gaussian=0.03,blank=20"."""
    chain = []
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if f"--{name}" not in OPTIONS or not equals:
            names = ", ".join(option.lstrip("-") for option in OPTIONS)
            raise argparse.ArgumentTypeError(
                f"{part!r} will not do: give NAME=STRENGTH, the name one of {names}."
            )
        kind, field, _ = OPTIONS[f"--{name}"]
        parse: Callable[[str], Any] = parameter_type(kind, field)
        chain.append(kind(**{field: parse(value)}))
    return chain


def _print_summaries(summaries: "list[Summary]") -> None:
    """Print the means, one line for each plane, corruption and model."""
    inside = {(one.plane, one.corruption, one.model): one for one in summaries if one.region == "brain"}
    print_table(
        ("corruption", "plane", "model", "slices", "PSNR (dB)", "SSIM", "MSE", "in brain: PSNR", "SSIM"),
        [
            (
                one.corruption,
                one.plane,
                one.model,
                str(one.n_slices),
                decibels(one.mean["psnr"]),
                f"{one.mean['ssim']:.4f}",
                f"{one.mean['mse']:.3g}",
                *_inside(inside.get((one.plane, one.corruption, one.model))),
            )
            for one in summaries
            if one.region == "whole slice"
        ],
    )


def _inside(one: "Summary | None") -> tuple[str, str]:
    """Return PSNR and SSIM inside the brain, where any slice has some."""
    return (decibels(one.mean["psnr"]), f"{one.mean['ssim']:.4f}") if one else ("-", "-")
