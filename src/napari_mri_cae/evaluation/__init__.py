"""Measure models on volumes: tables, statistics, classical baselines, reports.

Volumes x planes x corruptions x models, slice by slice; means; paired tests between models; one HTML page
that shows all of it. Importing this does not import torch.
"""

from napari_mri_cae.evaluation.anomaly import AnomalyScore, measure_anomalies, roc_area
from napari_mri_cae.evaluation.baselines import Baseline, baseline_kinds, find_baseline
from napari_mri_cae.evaluation.condition import Condition
from napari_mri_cae.evaluation.evaluation import Evaluation
from napari_mri_cae.evaluation.plan import EvaluationPlan, Outputs, carry_out
from napari_mri_cae.evaluation.report import write_report
from napari_mri_cae.evaluation.settings import EvaluationSettings
from napari_mri_cae.evaluation.significance import PairedComparison, compare_models, holm
from napari_mri_cae.evaluation.summary import Summary, summarize
from napari_mri_cae.evaluation.table import Row, read_table, run_to_table, without_unchanged, write_table
from napari_mri_cae.evaluation.volumes import find_volumes
from napari_mri_cae.evaluation.worst import WorstSlice, worst_slices

__all__ = [
    "AnomalyScore",
    "Baseline",
    "Condition",
    "Evaluation",
    "EvaluationPlan",
    "EvaluationSettings",
    "Outputs",
    "PairedComparison",
    "Row",
    "Summary",
    "WorstSlice",
    "baseline_kinds",
    "carry_out",
    "compare_models",
    "find_baseline",
    "find_volumes",
    "holm",
    "measure_anomalies",
    "read_table",
    "roc_area",
    "run_to_table",
    "summarize",
    "without_unchanged",
    "worst_slices",
    "write_report",
    "write_table",
]
