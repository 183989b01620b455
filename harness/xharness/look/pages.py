"""Pages of HTML: what all of them are made with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xharness.look.terminal import plain

if TYPE_CHECKING:
    from jinja2 import Template


def template_of(text: str, longest: int, **filters: Callable[..., Any]) -> Template:
    """A template whose values are all escaped, and none may be absent; `plain` cuts a value to so many characters."""
    from jinja2 import Environment, StrictUndefined

    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page.filters |= {"plain": lambda value: plain(value, longest), **filters}
    return page.from_string(text)
