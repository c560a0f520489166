"""Pages that need nothing else: one file for a browser, on light and dark screens. Standard library only."""

from __future__ import annotations

from html import escape

__all__ = ["page_html"]


def page_html(title: str, style: str, body: str, *, description: str = "") -> str:
    """A whole page; `title` and `description` are escaped, `style` and `body` stand as they are.

    >>> page_html("a < b", "", "<main></main>").splitlines()[6]
    '<title>a &lt; b</title>'
    """
    described = f'<meta name="description" content="{escape(description)}">\n' if description else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
{described}<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>
{style}</style>
</head>
<body>
{body}
</body>
</html>
"""
