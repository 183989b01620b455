"""URLs of remote stores as they may be shown and kept: without user, password, and query."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from urllib.parse import unquote

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S*")
_WORD = re.compile(r"(--?[\w-]+=)?([A-Za-z][A-Za-z0-9+.-]*://.*)", re.DOTALL)
"""A word of a command line that is a URL, whatever is in its password."""
_KEYS = re.compile(r"[^/]*@|[^/@]*:.*@", re.DOTALL)
"""What may be a user, or a key and its secret, before the name of a bucket: that has no colon."""
OBJECTS = ("s3", "s3a")
FILES = ("file", "local")
"""Schemes of a disk's folders: there, every character is one of a name."""
_SECRET = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|ACCESS_KEY|CONNECTION_STRING|_KEY$", re.IGNORECASE)
"""Names of environment variables whose values are shown to nobody."""
_SHORTEST = 6
"""Characters of a value that is looked for in a text; a shorter one is part of any."""


def parts(url: str) -> tuple[str, str, str, str]:
    """(scheme with `://`, what may be user and password, host and path, what may be a query with its mark) of a URL.

    A password may be unquoted and have any character in it: all before the last `@` counts as such.
    """
    scheme, found, rest = url.partition("://")
    if not found:
        return "", "", url, ""
    if scheme in FILES:
        return f"{scheme}://", "", rest, ""
    if scheme in OBJECTS and not _KEYS.match(rest):
        info, place = "", rest
    else:
        info, _, place = rest.rpartition("@")
    path = re.split("[?#;]", place, maxsplit=1)[0]
    return f"{scheme}://", info, path, place[len(path) :]


def shown(url: str) -> str:
    """A URL as it may be shown: scheme, host or bucket, and path."""
    scheme, _, place, _ = parts(url)
    return scheme + place


def tidy(url: str) -> str:
    """A URL without empty folders in its path, which a service of objects takes for names and a listing does not."""
    scheme, info, place, query = parts(url)
    return scheme + (f"{info}@" if info else "") + re.sub("/{2,}", "/", place) + query


def without_secrets(words: Sequence[str]) -> list[str]:
    """The words of a command line as they may be kept."""
    kept = []
    for word in words:
        whole = _WORD.fullmatch(word)
        kept.append((whole[1] or "") + shown(whole[2]) if whole else _URL.sub(lambda found: shown(found.group()), word))
    return kept


def scrubbed(text: str, url: str) -> str:
    """A library's own words without what the URL or the environment has of credentials."""
    secrets = {value for name, value in os.environ.items() if _SECRET.search(name)}
    _, info, _, query = parts(url)
    pairs = re.split("[?#;&]", query)
    given = [info, *info.split(":"), query[1:], *(pair.partition("=")[2] for pair in pairs)]
    secrets |= {*given, *map(unquote, given)}
    text = text.replace(url, shown(url))
    text = _URL.sub(lambda found: shown(found.group()), text)
    for secret in sorted((s for s in secrets if len(s) >= _SHORTEST), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
