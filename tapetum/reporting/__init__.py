"""One self-contained HTML file per run."""

from tapetum.reporting.contents import (
    ClassRow,
    Crop,
    Curve,
    Explanation,
    Panel,
    ReportContents,
    Sheet,
)
from tapetum.reporting.page import make_page, write_report

__all__ = [
    "ClassRow",
    "Crop",
    "Curve",
    "Explanation",
    "Panel",
    "ReportContents",
    "Sheet",
    "make_page",
    "write_report",
]
