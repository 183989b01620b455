"""Several stores read as one: a step is where the first of them has it whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xharness.store.steps import Store


class Stores:
    """One or more stores; nothing is written but the cache, which is the first one's."""

    def __init__(self, stores: Sequence[Store]) -> None:
        self.stores = tuple(stores)
        self._places: dict[str, Path] = {}

    @property
    def root(self) -> Path:
        """Where what is worked out is remembered."""
        return self.stores[0].root

    def has(self, key: str) -> bool:
        """Whether one of them has a step whole; see `Store.has`."""
        return any(store.has(key) for store in self.stores)

    def path(self, key: str) -> Path:
        """Where a step's output lies, or would lie in the first."""
        if len(self.stores) == 1:
            return self.stores[0].path(key)
        if key not in self._places:  # Every record asks for its step's, and to look is to check its files.
            whole = (store.path(key) for store in self.stores if store.has(key))
            self._places[key] = next(whole, self.stores[0].path(key))
        return self._places[key]
