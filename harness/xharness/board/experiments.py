"""Whether cells of two runs are of one experiment: made of the same data, recipes and models, whatever the seed.

A step's manifest says what it is made of, other steps by their keys. Read down to the data, with the seeds left out,
that is the same for two cells exactly where nothing but the seed differs, whatever their suites look like.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from hashlib import sha256
from typing import Any

from xharness.store.parts import KEY

Manifest = Callable[[str], Mapping[str, Any] | None]
"""A step's key -> its manifest; None where the store has it no more."""
Part = tuple[str, ...]
"""What of a board is described: ("cell", checkpoint, intermediate, target), ("row", checkpoint, intermediate),
("target", checkpoint, target), ("checkpoint", checkpoint)."""


class Experiment:
    """What the passed cells of a run are made of."""

    def __init__(self, run: Mapping[str, Any], manifest: Manifest) -> None:
        self._manifest = cache(manifest)
        self._known: dict[tuple[str, bool], str] = {}
        found: dict[Part, set[str]] = {}
        for cell in run["cells"]:
            if cell.get("key"):
                for part, made_of in self._described(run, cell):
                    found.setdefault(part, set()).add(made_of)
        self.parts: dict[Part, frozenset[str]] = {part: frozenset(held) for part, held in found.items()}

    def differs(self, other: Experiment) -> bool:
        """Whether anything that both describe is made of something else."""
        return any(other.parts.get(part, held) != held for part, held in self.parts.items())

    def _described(self, run: Mapping[str, Any], cell: Mapping[str, Any]) -> Iterator[tuple[Part, str]]:
        checkpoint, row, target, key = (cell[name] for name in ("checkpoint", "intermediate", "target", "key"))
        stages = self._stages(key)
        many = len((run.get("rows", {}).get(row) or {}).get("stages", ())) if row != "none" else 0
        yield ("cell", checkpoint, row, target), self.made_of(key)
        yield ("target", checkpoint, target), self.made_of(key, alone=True)
        if 0 < many <= len(stages):
            yield ("row", checkpoint, row), self.made_of(stages[-many])
        for ingredients in (self._ingredients(one) for one in (*reversed(stages), key)):
            if "identity" in ingredients:
                # The first training has it; of an encoder that is used as it came, what embeds with it.
                yield ("checkpoint", checkpoint), str(ingredients["identity"])
                break

    def _ingredients(self, key: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = (self._manifest(key) or {}).get("ingredients", {})
        return found

    def _stages(self, key: str) -> list[str]:
        """The trainings under a step, the last first; where several values were tried, the choice of one."""
        found: list[str] = []
        below = self._above(key)
        while below is not None:
            found.append(below)
            below = self._above(below)
        return found

    def _above(self, key: str) -> str | None:
        """The training that a step begins from."""
        manifest, made_of = self._manifest(key) or {}, self._ingredients(key)
        if manifest.get("kind") == "mine":
            return self._above(str(made_of.get("embeddings", "")))
        if manifest.get("kind") == "choose":
            return next((self._above(need) for need in manifest.get("needs", ())), None)
        parent = made_of.get("parent")
        return str(parent) if parent else None

    def made_of(self, key: str, alone: bool = False) -> str:
        """A checksum of what a step is made of, down to the data, without seeds.

        `alone`: of a target as it is under every intermediate, so without what its own tuning begins from. A step
        that is gone is known by its key.
        """
        if (key, alone) not in self._known:
            manifest = self._manifest(key)
            if manifest is None or "ingredients" not in manifest:
                return key
            kind, made_of = manifest.get("kind"), manifest["ingredients"]
            # Here the target's own begins: an encoder that is used as it is, or its first training from the end.
            first = alone and (kind in ("tune", "judge") or (kind == "embed" and "head" not in made_of))
            # What is mined says again what its embeddings begin from.
            left_out = ("seed", "parent", "identity") if first or (alone and kind == "mine") else ("seed",)
            kept = {name: value for name, value in made_of.items() if name not in left_out}
            text = json.dumps([kind, kept], sort_keys=True, ensure_ascii=False)
            whole = KEY.sub(lambda found: self.made_of(found[0], alone and not first), text)
            self._known[key, alone] = sha256(whole.encode()).hexdigest()
        return self._known[key, alone]
