"""The HTML of a mail to an owner of access keys: small, and nothing in it comes from elsewhere. Pure."""

from collections.abc import Iterator, Sequence
from html import escape

from chalicelib.outputs.notice_content import Content, KeyPart

# Colors for light and for dark backgrounds alike; without any of this, which some clients drop, the mail reads well.
_STYLE = """\
:root{color-scheme:light dark}
body{font:15px/1.45 -apple-system,"Segoe UI",Roboto,Helvetica,Arial,sans-serif;margin:0}
main{max-width:42em;margin:0 auto;padding:16px}
h2{font-size:15px;margin:0 0 4px}
p{margin:0 0 12px}
.key p{margin:0 0 4px}
.key{border-left:4px solid #888;padding:2px 0 2px 12px;margin:0 0 20px}
.leaked,.expired{border-color:#d93025}
.unused{border-color:#c77700}
.due_soon{border-color:#2b7de9}
.new{background:#b3261e;color:#fff;border-radius:3px;padding:0 5px;font-size:12px}
.test{border:1px solid #888;padding:8px}
table{border-spacing:0}
th{font-weight:normal;text-align:left;vertical-align:top;padding:0 12px 2px 0;white-space:nowrap;opacity:.75}
td{vertical-align:top;padding:0 0 2px;word-break:break-word}
code,pre{font:13px/1.45 Consolas,Menlo,monospace}
h2 code{font-size:15px;font-weight:bold}
pre{white-space:pre-wrap;border:1px solid #888;padding:8px}
footer{border-top:1px solid #888;padding-top:12px;font-size:13px}"""


def render_notice(content: Content, title: str) -> str:
    """Return the HTML of a notice."""
    return "\n".join(_parts(content, title)) + "\n"


def _parts(content: Content, title: str) -> Iterator[str]:
    yield '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
    yield f"<title>{escape(title)}</title>\n<style>\n{_STYLE}\n</style></head>\n<body><main>"
    if content.test:
        yield f'<p class="test">{escape(content.test)}</p>'
    lead, *others = content.opening
    yield f"<p><strong>{escape(lead)}</strong></p>"
    yield from _paragraphs(others)
    for key in content.keys:
        yield from _key(key)
    if content.more:
        yield f"<p>{escape(content.more_title)}</p>\n<ul>"
        yield from (f"<li>{escape(line)}</li>" for line in content.more)
        yield "</ul>"
    commands = "\n".join(map(escape, content.commands))
    yield f"<p>{escape(content.how_to)}</p>\n<pre>{commands}</pre>\n<footer>"
    yield from _paragraphs(content.closing)
    yield "</footer></main></body></html>"


def _paragraphs(texts: Sequence[str]) -> Iterator[str]:
    yield from (f"<p>{escape(text)}</p>" for text in texts)


def _key(key: KeyPart) -> Iterator[str]:
    yield f'<div class="key {escape(key.kind)}">\n<h2><code>{escape(key.key_id)}</code></h2>'
    if key.news:
        yield f'<p><strong class="new">NEW</strong> <strong>{escape(key.news)}</strong></p>'
    if key.state:
        yield f"<p>{escape(key.state)}</p>"
    yield "<table>"
    yield from (f"<tr><th>{escape(label)}</th><td>{escape(words)}</td></tr>" for label, words in key.facts)
    if key.console_url:
        url = escape(key.console_url)
        yield f'<tr><th>Console</th><td><a href="{url}">Security credentials of its user</a></td></tr>'
    yield "</table></div>"
