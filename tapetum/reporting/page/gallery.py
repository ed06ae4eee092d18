"""The sections "Images" and "Explanations"; images as cards."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from tapetum.reporting.contents import Crop, Explanation, ReportContents, Sheet
from tapetum.reporting.page.html import EMPTY, Html, join, tag
from tapetum.reporting.page.images import image_tag
from tapetum.reporting.page.tables import percent

_CROP_SIDE = 320
_ENLARGE = "Select an image to enlarge it."


def images(contents: ReportContents) -> Html:
    """The best and the worst images with ground truth and predictions."""
    groups = [("best", "Best", contents.best), ("worst", "Worst", contents.worst)]
    shown = [_sheets(*group) for group in groups if group[2]]
    return join([tag("p", _ENLARGE, class_="dim screen"), shown]) if shown else EMPTY


def explanations(contents: ReportContents) -> Html:
    """Predictions with their heat maps."""
    if not contents.explanations:
        return EMPTY
    text = "Bright pixels raise the score of the prediction that is named; dark ones do not."
    cards = [_explanation(f"why-{i}", item) for i, item in enumerate(contents.explanations, 1)]
    return join([tag("p", text, class_="dim"), tag("div", cards, class_="cards wide")])


def _sheets(key: str, title: str, sheets: Sequence[Sheet]) -> Html:
    cards = [
        card(f"{key}-{i}", [(sheet.image, _alt(title, sheet.name))], sheet.name, [sheet.caption])
        for i, sheet in enumerate(sheets, 1)
    ]
    return join([tag("h3", title), tag("div", cards, class_="cards")])


def crop_cards(key: str, title: str, crops: Sequence[Crop]) -> Html:
    """Crops under a title.

    Args:
        key: what the ids of their cards begin with.
        title: of the group.
        crops: to show.

    Returns:
        HTML.
    """
    cards = [
        card(
            f"{key}-{i}",
            [(crop.image, _alt(title, crop.label, crop.name))],
            crop.name,
            [_label_and_score(crop.label, crop.score), crop.reason],
            largest=_CROP_SIDE,
        )
        for i, crop in enumerate(crops, 1)
    ]
    return join([tag("h3", title), tag("div", cards, class_="cards small")])


def _explanation(key: str, item: Explanation) -> Html:
    images = [
        (item.image, _alt("Image with box", item.label, item.name)),
        (item.heat, _alt("Heat map", item.label, item.name)),
    ]
    lines = [_named(item), item.method, _inside(item)]
    return card(key, images, item.name, lines, largest=480)


def _named(item: Explanation) -> str:
    text = _label_and_score(item.label, item.score)
    return f"{text}, {item.verdict}" if item.verdict else text


def _inside(item: Explanation) -> str:
    if item.inside is None:
        return ""
    text = f"{percent(item.inside)} of the heat lies inside the {item.place}"
    return text if item.area is None else f"{text}, which covers {percent(item.area)}"


def card(
    key: str,
    images: Sequence[tuple[Image.Image, str]],
    name: str,
    lines: Sequence[str],
    *,
    largest: int = 720,
    back: str = "images",
) -> Html:
    """A figure that is enlarged when it is selected, with a link back.

    Args:
        key: its id on the page.
        images: (image, alternative text).
        name: of the file.
        lines: of the caption; empty ones are left out.
        largest: longer side of the images in pixels, at most.
        back: id of the place that the link leads back to.

    Returns:
        HTML.
    """
    shown = [image_tag(image, alt, largest=largest) for image, alt in images]
    caption = tag(
        "figcaption",
        tag("span", name, class_="file"),
        [tag("span", line) for line in lines if line],
        tag("a", "smaller", href=f"#{back}", class_="smaller"),
    )
    pixels = tag("a", shown, href=f"#{key}", class_="image", aria_label=f"Enlarge {name}")
    return tag("figure", pixels, caption, id=key, class_="card")


def _label_and_score(label: str, score: float | None) -> str:
    return label if score is None else f"{label} {score:.2f}"


def _alt(*parts: str) -> str:
    return ", ".join(part for part in parts if part)
