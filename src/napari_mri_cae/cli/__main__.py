"""`python -m napari_mri_cae.cli` is the `mri-cae` command."""

import sys

from napari_mri_cae.cli.program import main

if __name__ == "__main__":
    sys.exit(main())
