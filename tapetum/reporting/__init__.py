"""One self-contained HTML file per run."""

from tapetum.reporting.contents import (
    ClassRow,
    Crop,
    Curve,
    ErrorGroup,
    Explanation,
    Moment,
    Panel,
    ReportContents,
    Sheet,
    Suggestion,
    Table,
)
from tapetum.reporting.report import make_page, write_report

__all__ = [
    "ClassRow",
    "Crop",
    "Curve",
    "ErrorGroup",
    "Explanation",
    "Moment",
    "Panel",
    "ReportContents",
    "Sheet",
    "Suggestion",
    "Table",
    "make_page",
    "write_report",
]
