"""HTML that cannot be broken by its contents: elements, tables, images, cards, the document."""

from tapetum.reporting.page.document import FOOTER, document, policy
from tapetum.reporting.page.gallery import card, crop_cards
from tapetum.reporting.page.html import EMPTY, Html, escape, join, json_island, tag
from tapetum.reporting.page.images import data_uri, image_tag, thumbnail
from tapetum.reporting.page.style import CSS
from tapetum.reporting.page.tables import (
    bar,
    compact,
    mixed_table,
    number,
    number_table,
    pair_table,
    percent,
    plain,
)

__all__ = [
    "CSS",
    "EMPTY",
    "FOOTER",
    "Html",
    "bar",
    "card",
    "compact",
    "crop_cards",
    "data_uri",
    "document",
    "escape",
    "image_tag",
    "join",
    "json_island",
    "mixed_table",
    "number",
    "number_table",
    "pair_table",
    "percent",
    "plain",
    "policy",
    "tag",
    "thumbnail",
]
