"""One HTML document: a title, a style sheet, a body; nothing is loaded and nothing runs."""

from __future__ import annotations

import base64
import hashlib

from tapetum.base.outputs import MADE_BY
from tapetum.reporting.page.html import Child, Html, tag

FOOTER = f"{MADE_BY} This page loads nothing from the network and runs no scripts."


def document(title: str, css: str, *body: Child) -> str:
    """Put a page together.

    Args:
        title: of the window.
        css: the only style sheet.
        body: what <body> holds.

    Returns:
        HTML.
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy(css)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        Html(f"<style>{css}</style>"),
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', *body), lang='en')}\n"


def policy(css: str) -> str:
    """The content security policy: this style sheet, images as data URIs, nothing else.

    Args:
        css: the style sheet.

    Returns:
        The value of the header.
    """
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
