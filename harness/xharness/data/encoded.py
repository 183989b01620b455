"""An encoded split: what an `encode` step stores, written as a stream and read in place.

    features.arrow   a row a feature: example, ids, types, target, weight, note.<name>
    examples.arrow   a row an example: id, language, reference and what `decode` needs (JSON)
    rows.arrow       of retrieval tasks, in its place: a row an example, its texts as numbers of sentences
    encoded.json     labels, languages with their runs of examples or why they have none, counts

Files are memory-mapped: a training over a million pairs holds their lengths in memory, and no example.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xharness.adapter import Example, Feature
from xharness.data.columns import ColumnFile, ColumnWriter
from xharness.spec.task import POOL

FEATURES, EXAMPLES, ROWS, ABOUT = "features.arrow", "examples.arrow", "rows.arrow", "encoded.json"
NO_SENTENCE = -1
"""Number of a sentence that a row does not have."""
NOTE = "note."
"""Prefix of the columns that hold a feature's note."""


class FeatureWriter:
    """Writes features with their numbers as examples."""

    def __init__(self, folder: Path, whose: str) -> None:
        self._columns = ColumnWriter(folder / FEATURES, whose)
        self.tokens = 0

    def add(self, feature: Feature, example: int, noted: bool = True) -> None:
        """Take one feature of the example with this number, its note too where asked; an example's stand together."""
        ids = np.asarray(feature.ids, dtype=np.int32)
        self.tokens += len(ids)
        types = None if feature.types is None else np.asarray(feature.types, dtype=np.uint8)
        row = {
            "example": example,
            "ids": ids,
            "types": types,
            "target": feature.target,
            "weight": float(feature.weight),
        }
        if feature.language:
            row["language"] = feature.language
        if noted and feature.note:
            for name, value in feature.note.items():
                row[NOTE + name] = value
        self._columns.add(row)

    @property
    def features(self) -> int:
        """Features written."""
        return self._columns.rows

    def close(self) -> None:
        """Write what is held."""
        self._columns.close()


class ExampleWriter:
    """Writes what of the examples outlives their encoding."""

    def __init__(self, folder: Path, whose: str) -> None:
        self._columns = ColumnWriter(folder / EXAMPLES, whose)

    def add(self, example: Example, reference: Any, kept: Sequence[str]) -> None:
        """Take one example with its reference and the columns that `decode` needs."""
        held = {name: example[name] for name in kept if name in example}
        row = {"id": str(example["id"]), "language": str(example["language"]), "reference": _json(reference)}
        self._columns.add(row | {"kept": _json(held) if held else None})

    @property
    def examples(self) -> int:
        """Examples written."""
        return self._columns.rows

    def close(self) -> None:
        """Write what is held."""
        self._columns.close()


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def write_about(folder: Path, about: Mapping[str, Any]) -> None:
    """Write `encoded.json`."""
    (folder / ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_about(folder: Path) -> dict[str, Any]:
    """Read it."""
    found: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    return found


@dataclass(frozen=True)
class Features:
    """The features of an encoded split, by number."""

    file: ColumnFile

    @classmethod
    def of(cls, folder: Path) -> Features:
        """Those of a folder."""
        return cls(ColumnFile(folder / FEATURES))

    def __len__(self) -> int:
        return self.file.rows

    def __getitem__(self, number: int) -> Feature:
        """One feature; its arrays are views of the file."""
        columns = self.file.columns

        def of(name: str) -> Any:
            return columns[name][number] if name in columns else None

        note = {name: columns[NOTE + name][number] for name in self._notes} or None
        return Feature(
            columns["example"][number],
            columns["ids"][number],
            of("types"),
            of("target"),
            of("weight"),
            note,
            of("language") or "",
        )

    @cached_property
    def _notes(self) -> tuple[str, ...]:
        return tuple(name.removeprefix(NOTE) for name in self.file.columns if name.startswith(NOTE))

    @cached_property
    def lengths(self) -> NDArray[np.int32]:
        """Sub-words of each feature."""
        return self.file.columns["ids"].lengths() if len(self) else np.empty(0, dtype=np.int32)

    def used(self, size: int) -> NDArray[np.bool_]:
        """Which of `size` sub-words occur."""
        seen = np.zeros(size, dtype=bool)
        for ids in self.file.columns["ids"].flat() if len(self) else ():
            seen[ids] = True
        return seen

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """Number of each example's first feature, and of the one behind the last [examples + 1].

        An example without a feature is none of these: what is encoded has at least one.
        """
        if not len(self):
            return np.zeros(1, dtype=np.int64)
        owners = np.concatenate(list(self.file.columns["example"].flat()))
        return np.concatenate([[0], np.flatnonzero(np.diff(owners)) + 1, [len(owners)]]).astype(np.int64)


class Encoded:
    """An encoded split of a task that trains a head."""

    def __init__(self, folder: Path) -> None:
        self.about = read_about(folder)
        self.features = Features.of(folder)
        self._examples = ColumnFile(folder / EXAMPLES)

    def __len__(self) -> int:
        return self._examples.rows

    @property
    def padding(self) -> int:
        """Id of the sub-word that fills a batch."""
        return int(self.about["padding"])

    @property
    def vocabulary(self) -> int:
        """Sub-words of the tokenizer."""
        return int(self.about["vocabulary"])

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that the targets count by."""
        return tuple(self.about["labels"])

    @cached_property
    def spans(self) -> dict[str, range]:
        """Language -> its run of examples."""
        return {language: range(*span) for language, span in self.about["languages"].items() if isinstance(span, list)}

    @property
    def failures(self) -> dict[str, str]:
        """Language -> why it has no examples."""
        return {language: why for language, why in self.about["languages"].items() if isinstance(why, str)}

    @cached_property
    def lengths(self) -> NDArray[np.int32]:
        """Sub-words of each example's longest feature."""
        return np.maximum.reduceat(self.features.lengths, self.features.first[:-1])

    @cached_property
    def tokens(self) -> NDArray[np.int64]:
        """Sub-words of all features of each example."""
        return np.add.reduceat(self.features.lengths, self.features.first[:-1], dtype=np.int64)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Features of each example."""
        return np.diff(self.features.first)

    def item(self, example: int) -> tuple[Feature, ...]:
        """The features of one example, with its language."""
        language = self.language(example)
        found = [self.features[i] for i in range(self.features.first[example], self.features.first[example + 1])]
        for feature in found:
            feature.language = language
        return tuple(found)

    def language(self, example: int) -> str:
        """The language of one example."""
        starts, languages = self._begun
        return languages[bisect_right(starts, example) - 1]

    @cached_property
    def _begun(self) -> tuple[list[int], list[str]]:
        """Where each language begins, ascending."""
        order = sorted((span.start, language) for language, span in self.spans.items())
        return [start for start, _ in order], [language for _, language in order]

    def ids(self, span: range) -> list[str]:
        """Ids of a run of examples."""
        return self._texts("id", span)

    def references(self, span: range) -> list[Any]:
        """What the predictions of a run of examples are compared with."""
        return [json.loads(text) for text in self._texts("reference", span)]

    def examples(self, span: range) -> list[Example]:
        """What `decode` needs of a run of examples."""
        kept = self._texts("kept", span) if "kept" in self._examples.columns else [None] * len(span)
        languages = self._texts("language", span)
        return [
            {"id": name, "language": language, **(json.loads(held) if held else {})}
            for name, language, held in zip(self.ids(span), languages, kept, strict=True)
        ]

    def _texts(self, column: str, span: range) -> list[Any]:
        return self._examples.columns[column].texts(span.start, span.stop) if len(span) else []


class Rows:
    """The rows of one split and language of a retrieval task; their texts are numbers of sentences."""

    def __init__(self, file: ColumnFile, span: range, texts: Sequence[str]) -> None:
        self._file, self._span, self._sentences = file, span, tuple(texts)

    def __len__(self) -> int:
        return len(self._span)

    @property
    def ids(self) -> list[str]:
        """Ids of the rows."""
        return self._file.columns["id"].texts(self._span.start, self._span.stop) if len(self) else []

    def sentences(self, column: str) -> NDArray[np.int64]:
        """Numbers of the sentences that a column of texts holds; -1 where a row has none."""
        if column not in self._file.columns or not len(self):
            return np.full(len(self), NO_SENTENCE, dtype=np.int64)
        whole = np.concatenate(list(self._file.columns[column].flat()))
        return whole[self._span.start : self._span.stop]

    def texts(self, column: str) -> list[str | None]:
        """The texts of any other column; None where a row has none."""
        if column not in self._file.columns or not len(self):
            return [None] * len(self)
        return self._file.columns[column].texts(self._span.start, self._span.stop)


class EncodedRetrieval:
    """The encoded splits of a retrieval task, by language; all sentences in one file."""

    def __init__(self, folder: Path, texts: Sequence[str]) -> None:
        """`texts` are the adapter's columns of sentences."""
        self.about = read_about(folder)
        self.sentences = Features.of(folder)
        self._file, self._texts = ColumnFile(folder / ROWS), texts

    @property
    def vocabulary(self) -> int:
        """Sub-words of the tokenizer."""
        return int(self.about["vocabulary"])

    @property
    def padding(self) -> int:
        """Id of the sub-word that fills a batch."""
        return int(self.about["padding"])

    @property
    def failures(self) -> dict[str, str]:
        """Language -> why it cannot be searched."""
        return {language: why for language, why in self.about["languages"].items() if isinstance(why, str)}

    def splits(self, language: str) -> dict[str, Rows]:
        """Split -> its rows in one language."""
        spans: Mapping[str, Sequence[int]] = self.about["languages"][language]
        return {split: Rows(self._file, range(*span), self._texts) for split, span in spans.items()}

    def pool(self) -> Rows | None:
        """The rows that are of no language, where there are any."""
        span = self.about.get(POOL)
        return Rows(self._file, range(*span), self._texts) if span else None

    def languages(self) -> Iterator[str]:
        """Those that can be searched."""
        return (language for language, spans in self.about["languages"].items() if not isinstance(spans, str))
