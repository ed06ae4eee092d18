"""The section "During training": predictions on the same images at several steps.

RUN/progress/progress.json: {"schema": "tapetum.progress/1", "moments": [{"title", "images":
[{"name", "caption"}], "lines"}]}; the image in place P of moment M is RUN/progress/M-P.jpg.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tapetum.base.errors import AnnotationError
from tapetum.base.files import atomic_write, read_json, write_json
from tapetum.data.images.reader import read_image
from tapetum.render import to_image
from tapetum.reporting.contents import Moment, ReportContents, Sheet
from tapetum.reporting.page.gallery import card
from tapetum.reporting.page.html import EMPTY, Html, join, tag

FOLDER, FILE, SCHEMA = "progress", "progress.json", "tapetum.progress/1"
_QUALITY = 90
_SIDE = 512


def save_progress(run: Path, moments: Sequence[Moment]) -> None:
    """Write RUN/progress, so that the report of the run shows these moments.

    Args:
        run: the run folder.
        moments: in order; all show the same images.
    """
    for m, moment in enumerate(moments):
        for p, sheet in enumerate(moment.sheets):
            with atomic_write(_image(run, m, p)) as file:
                sheet.image.convert("RGB").save(file, "JPEG", quality=_QUALITY)
    rows = [
        {
            "title": moment.title,
            "images": [{"name": s.name, "caption": s.caption} for s in moment.sheets],
            "lines": list(moment.lines),
        }
        for moment in moments
    ]
    write_json(run / FOLDER / FILE, {"schema": SCHEMA, "moments": rows})


def load_progress(run: Path) -> list[Moment]:
    """What `save_progress` wrote.

    Args:
        run: the run folder.

    Returns:
        The moments; [] where there is no RUN/progress.

    Raises:
        AnnotationError: the file has not the expected form.
        ImageError: an image is missing or cannot be decoded.
    """
    file = run / FOLDER / FILE
    if not file.is_file():
        return []
    stored = read_json(file)
    hint = f"delete the folder {FOLDER}; the report is then made without this section"
    if not isinstance(stored, dict) or stored.get("schema") != SCHEMA:
        raise AnnotationError(f"expected the schema {SCHEMA}", file=file, hint=hint)
    try:
        return [_moment(run, m, row) for m, row in enumerate(stored["moments"])]
    except (KeyError, TypeError) as error:
        why = f"a moment has not the expected form: {error!r}"
        raise AnnotationError(why, file=file, where="moments", hint=hint) from error


def progress(contents: ReportContents) -> Html:
    """A row of images for each moment, with its lines below."""
    return join([_row(f"moment-{m}", moment) for m, moment in enumerate(contents.progress, 1)])


def _row(key: str, moment: Moment) -> Html:
    cards = [
        card(
            f"{key}-{p}",
            [(sheet.image, f"{moment.title}, {sheet.name}")],
            sheet.name,
            [sheet.caption],
            largest=_SIDE,
            back="progress",
        )
        for p, sheet in enumerate(moment.sheets, 1)
    ]
    lines = tag("ul", [tag("li", line) for line in moment.lines]) if moment.lines else EMPTY
    return join([tag("h3", moment.title), tag("div", cards, class_="cards four"), lines])


def _moment(run: Path, m: int, row: Any) -> Moment:
    sheets = [
        Sheet(to_image(read_image(_image(run, m, p)).pixels), **_texts(image))
        for p, image in enumerate(row["images"])
    ]
    return Moment(str(row["title"]), sheets, [str(line) for line in row["lines"]])


def _texts(image: Any) -> dict[str, str]:
    return {"name": str(image["name"]), "caption": str(image["caption"])}


def _image(run: Path, m: int, p: int) -> Path:
    return run / FOLDER / f"{m}-{p}.jpg"
