"""The checkpoints of a suite, and those that `--checkpoint` keeps or adds; every one has a name of its own."""

from __future__ import annotations

import difflib
import os
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from xharness.errors import NothingSelected, UsageError, nearest
from xharness.spec.load import Loaded
from xharness.spec.suite import Checkpoint


def own_checkpoints(loaded: Loaded) -> tuple[str, ...]:
    """Names of the checkpoints that the suite has in this profile."""
    named = tuple(c.name for c in loaded.suite.checkpoint)
    return loaded.profile.checkpoints or loaded.suite.grid.checkpoints or named


def given_checkpoints(given: Sequence[str], loaded: Loaded) -> tuple[tuple[Checkpoint, ...], tuple[str, ...]]:
    """What `--checkpoint` gives: (checkpoints to add, names to keep); no names keep all.

    A name in the profile selects. A name that only other profiles have, a folder, or a hub id adds rows.
    """
    defined = {c.name: c for c in loaded.suite.checkpoint}
    own = own_checkpoints(loaded)
    known: list[Checkpoint] = []
    others: list[Origin] = []
    kept: list[str] = []
    for name in dict.fromkeys(given):
        if name in own:
            kept.append(name)
        elif name in defined:
            known.append(defined[name])
        elif "/" not in name and not os.path.isdir(name) and difflib.get_close_matches(name, defined, 1, 0.8):
            hint = f"{nearest(name, defined)} Give a folder of that name as ./{name}."
            raise NothingSelected(f"no cell has the checkpoint '{name}'. {hint}")
        else:
            others.append(origin_from(name))
    extra = (*known, *named_apart(others, defined))
    return extra, (*kept, *(c.name for c in extra)) if kept else ()


@dataclass(frozen=True)
class Origin:
    """The origin of a checkpoint given on the command line."""

    path: str | None = None
    hub: str | None = None
    revision: str | None = None
    step: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Possible names, the shortest first."""
        if self.step is not None:
            return (self.step,)
        if self.hub is None:
            parts = [part for part in Path(str(self.path)).parts if part != os.sep]
            return tuple(_cleaned("-".join(parts[-n:])) for n in range(1, len(parts) + 1)) or (_cleaned(""),)
        at = f"@{self.revision}" if self.revision else ""
        short, whole = _cleaned(self.hub.split("/")[-1]), _cleaned(self.hub)
        return tuple(dict.fromkeys((short, _cleaned(short + at), whole, _cleaned(whole + at))))


def origin_from(given: str) -> Origin:
    """The origin that a text on the command line names: a folder, or a hub id with an optional `@revision`."""
    path = Path(given).expanduser()
    if re.fullmatch(r"tune-[0-9a-f]+", given):
        return Origin(step=given)
    if given.startswith((".", "/", "~")) and not os.path.isdir(path):
        raise UsageError(f"--checkpoint '{given}': there is no such folder.")
    if given and os.path.isdir(path):
        return Origin(path=str(path.resolve()))
    hub, _, revision = given.partition("@")
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", hub, re.ASCII):
        raise UsageError(f"--checkpoint '{given}' is neither a folder nor a hub id such as owner/name.")
    return Origin(hub=hub, revision=revision or None)


def named_apart(origins: Sequence[Origin], taken: Collection[str]) -> tuple[Checkpoint, ...]:
    """Checkpoints with names that are unique, in the suite and among themselves; their order does not matter.

    If several share a name, all of them get the next longer one: `a/enc` and `b/enc` become `a-enc` and `b-enc`.
    """
    distinct = list(dict.fromkeys(origins))
    tried = dict.fromkeys(distinct, 0)
    while True:
        names = {o: o.names[tried[o]] for o in distinct}
        times = Counter([*names.values(), *taken])
        longer = [o for o in distinct if times[names[o]] > 1 and tried[o] + 1 < len(o.names)]
        if not longer:
            break
        for origin in longer:
            tried[origin] += 1
    out: list[Checkpoint] = []
    used = {*taken}
    for origin, name in names.items():
        free, number = name, 2
        while free in used:  # Even the longest name is taken.
            free, number = f"{name}-{number}", number + 1
        used.add(free)
        made = Checkpoint(name=free, path=origin.path, hub=origin.hub, revision=origin.revision, step=origin.step)
        out.append(made)
    return tuple(out)


def _cleaned(text: str) -> str:
    """A text turned into a name that an id may have."""
    return re.sub(r"[^A-Za-z0-9_.@-]+", "-", text).strip("-._@") or "checkpoint"
