"""Why pip could not fetch something, in one line, from the log that it writes (PIP_LOG). Pure."""

import re

_NOTHING_FOUND = re.compile(r"(?:satisfies the requirement|No matching distribution found for) (\S+)")
_OTHER_VERSIONS = re.compile(r"\(from versions: (?!none\))([^)]+)\)")
_NOT_FETCHED = re.compile(r"Could not fetch URL (\S+): (.+?)(?: - skipping)?$", re.MULTILINE)
_NOT_TRUSTED = re.compile(r"The repository located at (\S+) is not a trusted or secure host")
_SEARCHED = re.compile(r"^\S* *\* (\w+://\S+)$", re.MULTILINE)
_LOOKED_IN = re.compile(r"Looking in links: (.+)$", re.MULTILINE)
_ERROR = re.compile(r"(?:^| )ERROR: (?!Exception:$)(.+)$", re.MULTILINE)
_EXCEPTION = re.compile(r"^(?:\S+ )??[\w.]+(?:Error|Exception|Invalid\w*): *(.*)", re.MULTILINE)
_ANOTHER_FILE = re.compile(r"DO NOT MATCH THE HASHES .*\n(?:\S+)? +(\S+) from (\S+)")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s]*@")
_INNERMOST = re.compile(r"^.*\w+Error\((['\"])(.+)\1\).*$")
_SAME_URL = re.compile(r" for url: \S+")
_MOST_VERSIONS = 5
_MOST_CHARACTERS = 300
WHAT_TO_DO = (
    "Check the index of pip and its credentials (PIP_INDEX_URL, pip.conf), the proxy (HTTPS_PROXY, NO_PROXY) and the "
    "network."
)


def without_credentials(text: str) -> str:
    """Return a text without the user names and passwords of the URLs in it."""
    return _CREDENTIALS.sub("", text)


def failure(log: str) -> str | None:
    """Return, in one line, what could not be fetched, from where, and why; None if pip reports no error."""
    text = without_credentials(log)
    if named := _NOTHING_FOUND.search(text):
        return f"{named[1]} could not be fetched from {_places(text, named[1])}. {WHAT_TO_DO}"
    if another := _ANOTHER_FILE.search(text):
        pinned = "is not a file that requirements.txt pins by its hash"
        return f"{another[1]}: {another[2]} {pinned}. Take an index that has PyPI's own files (PIP_INDEX_URL)."
    if reported := _ERROR.findall(text) or _EXCEPTION.findall(text)[-1:]:
        return f"pip: {reported[0].rstrip('.')}. {WHAT_TO_DO}"
    return None


def exception(output: str) -> str:
    """Return, in one line, the exception that a program ended with, else its last line."""
    text = without_credentials(output).strip()
    found = list(_EXCEPTION.finditer(text))
    ended = text[found[-1].start() :] if found else text.rpartition("\n")[2]
    return " ".join(ended.split())[:_MOST_CHARACTERS]


def _places(log: str, requirement: str) -> str:
    """Return the places that were searched, each with the reason why nothing was found there."""
    name = re.split(r"[^\w.-]", requirement)[0]
    versions = _OTHER_VERSIONS.search(log)
    found = f"it has {_last(versions[1])}" if versions else f"it has no {name}"
    places = {_index(url, name): found for url in _SEARCHED.findall(log)}
    for host in _NOT_TRUSTED.findall(log):
        for index in [index for index in places if index.partition("://")[2].startswith(host)]:
            places[index] = "neither https nor in PIP_TRUSTED_HOST"
    places |= {_index(url, name): _reason(text) for url, text in _NOT_FETCHED.findall(log)}
    searched = [f"{place} ({reason})" for place, reason in places.items()] or _LOOKED_IN.findall(log)[:1]
    return "; ".join(searched) or "any index: pip knows none"


def _index(url: str, name: str) -> str:
    """Return the URL of an index by the URL of a project's page in it."""
    before, _, last = url.rstrip("/").rpartition("/")
    is_page = re.sub(r"[-_.]+", "-", last).lower() == re.sub(r"[-_.]+", "-", name).lower()
    return before if is_page else url


def _reason(text: str) -> str:
    return _SAME_URL.sub("", _INNERMOST.sub(r"\2", text))


def _last(versions: str) -> str:
    known = versions.split(", ")
    return ("…, " if len(known) > _MOST_VERSIONS else "") + ", ".join(known[-_MOST_VERSIONS:])
