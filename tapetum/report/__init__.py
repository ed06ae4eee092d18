"""One self-contained HTML file per run."""

from tapetum.report.contents import (
    ClassRow,
    Crop,
    Curve,
    Explanation,
    ReportContents,
    Sheet,
)
from tapetum.report.page import make_page, write_report

__all__ = [
    "ClassRow",
    "Crop",
    "Curve",
    "Explanation",
    "ReportContents",
    "Sheet",
    "make_page",
    "write_report",
]
