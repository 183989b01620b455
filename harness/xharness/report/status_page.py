"""The page of runs that are under way."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from xharness.look.pages import template_of
from xharness.plan.cost import duration
from xharness.report.page import LONGEST_VALUE, page_file
from xharness.session.status import Progress


def status_page(found: Sequence[Progress], store: Path, every: int | None = None) -> str:
    """How runs stand, as a self-contained page; a browser reads it again every so many seconds."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    template = template_of(page_file("status.html.j2"), LONGEST_VALUE, duration=duration)
    return template.render(found=found, store=store, every=every, when=when, looks=page_file("page.css"))
