"""Which tuned models a run lets go of: those that no step needs any more, as `keep` says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from xharness.plan.plan import Plan
from xharness.store.steps import Store


class Keeping:
    """Told which steps have ended, it looks at no others."""

    def __init__(
        self, plan: Plan, store: Store, keep: str, users: Mapping[str, Sequence[str]], begun: Collection[str]
    ) -> None:
        self.plan, self.store, self.keep, self.begun = plan, store, keep, begun
        self.again: set[str] = set()
        """Models that could not be evaluated in every language: they are needed once the data are mended."""
        self._left = {key: len(found) for key, found in users.items()}
        """How many of those that need a step have not ended."""
        self._ended: set[str] = set()
        self._made: set[str] = set()
        self._leaving: set[str] = set()
        """Models to let go of that another run still uses."""

    def reused(self, key: str) -> None:
        """A step is in the store."""
        if key not in self._ended:
            self._ended.add(key)
            for need in self.plan.steps[key].needs:
                self._left[need] -= 1

    def made(self, key: str) -> None:
        """A step has ended in this run: it and what it needed may go."""
        self.reused(key)
        self._made.add(key)
        self._leaving.update(k for k in (key, *self.plan.steps[key].needs) if self._may_go(k))

    def lost(self, key: str) -> None:
        """A step has to be made once more."""
        self._leaving.discard(key)
        self._made.discard(key)
        if key in self._ended:
            self._ended.discard(key)
            for need in self.plan.steps[key].needs:
                self._left[need] += 1

    def _may_go(self, key: str) -> bool:
        """Whether it is a model that this run was to make and that every step which reads it is done with."""
        step = self.plan.steps[key]
        return (
            self.keep != "all"
            and step.work.KIND in ("tune", "choose")
            and not (self.keep == "intermediates" and step.role == "intermediate")
            and (key in self._made or (key in self.begun and key in self._ended))
            and not self._left[key]
            and key not in self.again
        )

    def let_go(self, in_use: Callable[[], set[str]]) -> Iterator[tuple[str, int]]:
        """Drop what may go and no other run uses; (key, bytes freed) of each."""
        self._leaving = {key for key in self._leaving if self._may_go(key)}
        # Where two runs use a model, the one that ends last lets go of it.
        for key in sorted(self._leaving - in_use() if self._leaving else ()):
            with self.store.unread(key) as unread:
                if unread:
                    self._leaving.discard(key)
                    if freed := self.store.drop(key):
                        yield key, freed
