"""Metrics on arrays: accuracy, agreement, calibration, PGR, intervals. numpy and scipy only."""
