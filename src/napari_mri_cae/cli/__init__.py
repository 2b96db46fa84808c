"""The command line, `mri-cae`."""

from napari_mri_cae.cli.program import main

__all__ = ["main"]
