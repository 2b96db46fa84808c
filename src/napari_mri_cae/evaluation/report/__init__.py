"""One HTML page that shows an evaluation, with everything in it."""

from napari_mri_cae.evaluation.report.page import write_report

__all__ = ["write_report"]
