"""The program: which commands there are, and how each of them may end."""

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Collection, Sequence
from importlib import import_module
from typing import Final

from napari_mri_cae import __version__
from napari_mri_cae.errors import sentence_of

# Each is a module of this package ("_" for "-") with `configure(parser)` and `run(arguments)`.
_COMMANDS: Final = {
    "demo": "see the four panels with a sample brain, in napari where there is a display",
    "info": "print a volume's or a model's facts",
    "models": "list the shipped models and your own",
    "corrupt": "add noise, dropout, blur or blank squares to a volume",
    "reconstruct": "run a model over a volume",
    "metrics": "measure a volume against a reference: PSNR, SSIM, DSSIM, MSE",
    "evaluate": "measure models on corrupted slices of volumes: a table, tests, a report",
    "import-keras": "turn a model that Keras saved into a model file of this software",
    "export": "write a model as an ONNX file",
    "describe": "write on a model's card what is usual for it",
    "train": "train a model as a YAML file says",
}
_INTERRUPTED: Final = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after the program's name; `sys.argv` by default.

    Returns
    -------
    int
        0 on success; 130 after Ctrl-C; 1 after any other failure, with one line on standard error.

    Raises
    ------
    SystemExit
        With status 2 on wrong usage, 0 after --help and --version.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    arguments = build_parser(words).parse_args(words)
    logging.basicConfig(format="mri-cae: %(message)s", level=logging.DEBUG if arguments.debug else None)
    try:
        with warnings.catch_warnings():
            # What libraries have to say to programmers is not for those who use the command.
            if not (arguments.debug or sys.warnoptions):
                warnings.simplefilter("ignore")
            arguments.run(arguments)
            sys.stdout.flush()
    except KeyboardInterrupt:
        return _fail("interrupted", _INTERRUPTED)
    except BrokenPipeError:
        # Whoever reads the output has gone, as `head` does; what Python would flush at its end has to go too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if arguments.debug:
            raise
        return _fail(_sentence(error), 1)
    return 0


def build_parser(words: Collection[str] = tuple(_COMMANDS)) -> argparse.ArgumentParser:
    """Return the parser of all commands.

    Parameters
    ----------
    words : collection of str
        The words of a command line. Only commands among them get their options, so that the modules of the
        others need not be imported.
    """
    parser = argparse.ArgumentParser(
        prog="mri-cae",
        description="See what a convolutional autoencoder does to an MRI volume.",
        epilog="'mri-cae COMMAND --help' says more. Exit status: 0 success, 1 failure, 2 wrong usage.",
    )
    parser.add_argument("--version", action="version", version=f"mri-cae {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the log, and the traceback of a failure")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, summary in _COMMANDS.items():
        command = commands.add_parser(name, help=summary, allow_abbrev=False)
        if name in words:
            module = import_module(f"napari_mri_cae.cli.{name.replace('-', '_')}")
            command.description = module.__doc__
            command.formatter_class = argparse.RawDescriptionHelpFormatter
            module.configure(command)
            command.set_defaults(run=module.run)
    return parser


def _sentence(error: Exception) -> str:
    """Return an error as one sentence."""
    unexpected = f"unexpected {type(error).__name__}: {error} ('mri-cae --debug' shows where)"
    return sentence_of(error) or unexpected


def _fail(sentence: str, status: int) -> int:
    print("mri-cae:", " ".join(sentence.split()), file=sys.stderr)
    return status
