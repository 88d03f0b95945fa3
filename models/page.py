"""A self-contained HTML page: nothing in it points outside, and no script runs in it."""

from __future__ import annotations

import html
import os
from collections.abc import Iterable
from pathlib import Path

_STYLE = """body{font:15px/1.5 sans-serif;color:#2d3748;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:.6rem 0;font-size:13px}th,td{border:1px solid #e2e8f0;padding:3px 8px;
text-align:left;overflow-wrap:anywhere}th{background:#f7fafc}h1{font-size:1.6rem}h2{font-size:1.2rem;
border-bottom:1px solid #e2e8f0}.blessed{color:#2f855a}.refused{color:#c53030}code{overflow-wrap:anywhere}
svg{display:block;max-width:100%;margin:.6rem 0}"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

Section = tuple[str, str]
"""A title, and HTML under it."""


def page(title: str, lead: str, sections: Iterable[Section], *, heading: str = "") -> str:
    """The page as HTML; sections with nothing in them are left out.

    Args:
        title: Plain text.
        lead: HTML that stands above the sections.
        sections: From top to bottom; the content is HTML in which every text is escaped.
        heading: Plain text; by default the title.
    """
    body = "".join(f"<h2>{html.escape(name)}</h2>{content}" for name, content in sections if content)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{html.escape(heading or title)}</h1>{lead}{body}</body></html>\n"
    )


def write_page(path: Path, text: str) -> Path:
    """Write a page whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
    return path
