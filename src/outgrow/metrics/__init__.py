"""Metrics on arrays: accuracy, agreement, calibration, PGR, intervals. numpy and scipy only.

A comparison enters as correctness per seed and test row and leaves as a `Summary` of plain numbers; nothing here
knows models, stores or tables.
"""

from outgrow.metrics.accuracy import Agreement, accuracy, agreement
from outgrow.metrics.calibration import brier_score, expected_calibration_error, negative_log_likelihood
from outgrow.metrics.fieller import PgrInterval, fieller_interval
from outgrow.metrics.intervals import Estimate, contrast_interval
from outgrow.metrics.pgr import MedianPgr, Summary, median_pgr, pgr_interval, ratio_of_mean_gains, summarize

__all__ = [
    "Agreement",
    "Estimate",
    "MedianPgr",
    "PgrInterval",
    "Summary",
    "accuracy",
    "agreement",
    "brier_score",
    "contrast_interval",
    "expected_calibration_error",
    "fieller_interval",
    "median_pgr",
    "negative_log_likelihood",
    "pgr_interval",
    "ratio_of_mean_gains",
    "summarize",
]
