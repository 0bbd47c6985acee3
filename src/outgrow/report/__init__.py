"""Comparisons -> one self-contained HTML page, figures for a paper, and tables. Reads records; no torch, no network."""

from outgrow.report.export import write_figures
from outgrow.report.page import write_report
from outgrow.report.tables import write_table

__all__ = ["write_figures", "write_report", "write_table"]
