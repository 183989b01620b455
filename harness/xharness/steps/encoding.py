"""Encode: rows stream from their source through the tokenizer into Arrow files; they are never all in memory."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

from xharness.adapter import (
    Example,
    Feature,
    FreshTargets,
    KeepsColumns,
    LabellingAdapter,
    PooledRetrieval,
    TunableAdapter,
    load_adapter,
    retrieval_adapter,
    tunable_adapter,
    unfolded,
)
from xharness.data.columns import ColumnWriter
from xharness.data.encoded import NO_SENTENCE, ROWS, ExampleWriter, FeatureWriter, read_about, write_about
from xharness.data.examples import Skip
from xharness.data.fingerprints import iter_planned_examples
from xharness.errors import DataError, HarnessError, Problem
from xharness.spec.recipe import Recipe
from xharness.spec.task import POOL, Limit, Split, Task
from xharness.steps.context import StepContext
from xharness.steps.encode import Encode
from xharness.training.checkpoints import load_config, load_tokenizer, positions_of
from xharness.training.origins import origin_of
from xharness.training.progress import Progress

CHUNK = 1000
"""Examples given to a tokenizer at once."""
Taken = TypeVar("Taken")
Made = TypeVar("Made")
Tell = Callable[[int], None]
"""Takes how many examples were read."""


def encode(work: Encode, context: StepContext) -> dict[str, Any]:
    """Encode the splits; a language of a test set without data is recorded, the others are encoded."""
    began = time.monotonic()
    origin = origin_of(work.checkpoint, work.identity)
    tokenizer = load_tokenizer(origin)
    work = work.model_copy(update={"max_length": min(work.max_length, positions_of(load_config(origin)))})
    progress = Progress(context.report, None, "examples", work.label)
    adapter = load_adapter(work.task.adapter)
    left_out: list[Problem] = []
    made = (_features if adapter.trains else _sentences)(work, context, tokenizer, progress.add, left_out.append)
    told = {"left_out": len(left_out), "left_out_first": str(left_out[0])} if left_out else {}
    return {**made, **told, "seconds": round(time.monotonic() - began, 3)}


def _features(work: Encode, context: StepContext, tokenizer: Any, tell: Tell, skip: Skip) -> dict[str, Any]:
    """Features and examples of one split of a task that trains a head."""
    adapter, (split,) = tunable_adapter(work.task.adapter), work.splits
    task = _labelled(work, context, adapter)
    recipe = Recipe(max_length=work.max_length, doc_stride=work.doc_stride)
    whose = f"the {adapter.name} adapter, features of task {task.name}"
    features, examples = FeatureWriter(context.out, whose), ExampleWriter(context.out, whose)
    kept = adapter.kept if isinstance(adapter, KeepsColumns) and not work.train else ()
    noted = not work.train or isinstance(adapter, FreshTargets)

    def made(chunk: list[Example]) -> tuple[list[Example], list[Feature]]:
        features = adapter.encode(task, chunk, tokenizer, recipe, work.train)
        # A tokenizer without special tokens makes nothing of an empty text; a model needs something to read.
        filler = [tokenizer.pad_token_id]
        return chunk, [f if len(f.ids) else replace(f, ids=filler, types=None) for f in features]

    def read(language: str) -> list[int]:
        """A language's run of examples."""
        begin = examples.examples
        for chunk, found in ahead(made, chunks(_rows(work, split, language, skip), CHUNK)):
            _require_features(whose, chunk, found)
            for feature in found:
                features.add(feature, examples.examples + feature.example, noted)
            for example in chunk:
                examples.add(example, None if work.train else adapter.reference(task, example), kept)
            tell(len(chunk))
        return [begin, examples.examples]

    languages = _each_language(work, read)
    features.close()
    examples.close()
    write_about(context.out, _about(tokenizer) | {"labels": list(task.labels), "languages": languages})
    return _counts(languages, examples.examples, features)


def _require_features(whose: str, chunk: Sequence[Example], features: Sequence[Feature]) -> None:
    """HarnessError unless every example has features, which stand together in the order of the examples."""
    owners = [owner for owner, _ in itertools.groupby(feature.example for feature in features)]
    if owners == list(range(len(chunk))):
        return
    lost = sorted(set(range(len(chunk))) - set(owners))
    what = f"there is none of the example {chunk[lost[0]]['id']}." if lost else "they are not in the examples' order."
    raise HarnessError(Problem(whose, what, "Every example needs a feature, and its features stand together."))


def _each_language(work: Encode, read: Callable[[str], Made]) -> dict[str, Made | str]:
    """What is read of each language, or why it cannot be; what was written of it before then belongs to none."""
    found: dict[str, Made | str] = {}
    errors: list[DataError] = []
    for language in work.task.languages:
        try:
            found[language] = read(language)
        except DataError as error:
            errors.append(error)
            found[language] = str(error)
    if len(errors) == len(found) or (errors and work.train):
        raise errors[0] if len(errors) == 1 else DataError(*dict.fromkeys(p for e in errors for p in e.problems))
    return found


def _about(tokenizer: Any) -> dict[str, Any]:
    """What whoever reads the features must know of the tokenizer, and need not load it for."""
    return {"padding": tokenizer.pad_token_id, "vocabulary": len(tokenizer)}


def _counts(languages: Mapping[str, Any], examples: int, features: FeatureWriter) -> dict[str, Any]:
    return {
        "examples": examples,
        "features": features.features,
        "tokens": features.tokens,
        "languages": sum(not isinstance(found, str) for found in languages.values()),
        "unread": [language for language, found in languages.items() if isinstance(found, str)],
    }


def _rows(work: Encode, split: Split, language: str, skip: Skip = lambda problem: None) -> Iterator[Example]:
    limit = Limit() if split == POOL else Limit(**{split: work.limits[work.splits.index(split)]})
    rows = iter_planned_examples(work.task, split, language, limit, work.fingerprints, skip)
    return unfolded(work.task, rows, work.train)


def _labelled(work: Encode, context: StepContext, adapter: TunableAdapter) -> Task:
    """The task with the labels of its train split, where it names none and its head has one output a label."""
    task = work.task
    if task.labels or not isinstance(adapter, LabellingAdapter):
        return task
    if work.labelled_by:
        return task.model_copy(update={"labels": tuple(read_about(context.folder(work.labelled_by))["labels"])})
    labels: set[str] = set()
    for language in task.languages:
        for chunk in chunks(_rows(work, work.splits[0], language), CHUNK):
            labels.update(adapter.labels_of(task, chunk))
    return task.model_copy(update={"labels": tuple(sorted(labels))})


def _sentences(work: Encode, context: StepContext, tokenizer: Any, tell: Tell, skip: Skip) -> dict[str, Any]:
    """The distinct sentences of a retrieval target, and its rows with the numbers of theirs."""
    adapter = retrieval_adapter(work.task.adapter)
    whose = f"the {adapter.name} adapter, rows of task {work.task.name}"
    sentences, rows = FeatureWriter(context.out, whose), ColumnWriter(context.out / ROWS, whose)
    others = [name for name in ("id", *adapter.columns) if name not in adapter.texts]
    limits = adapter.limits(work.task) if isinstance(adapter, PooledRetrieval) else {}
    numbers = Numbers()

    def numbered(split: Split, language: str) -> Iterator[tuple[str, str, str]]:
        """Every new sentence of a split, its language and column; its rows are written on the way."""
        for example in _rows(work, split, language, skip):
            row: dict[str, Any] = {n: str(example[n]) if example.get(n) not in (None, "") else None for n in others}
            for name in adapter.texts:
                row[name] = NO_SENTENCE
                if isinstance(text := example.get(name), str):
                    # The same words are another input where the columns are not encoded alike.
                    row[name], new = numbers.of(f"{name}\0{text.strip()}" if limits else text.strip())
                    if new:
                        yield text.strip(), adapter.spoken(example, name), name
            rows.add(row)
            tell(1)

    def tokens(texts: Sequence[tuple[str, str, str]]) -> list[tuple[list[int], str]]:
        found: dict[int, list[int]] = {}
        for column in dict.fromkeys(name for *_, name in texts):
            places = [i for i, (*_, name) in enumerate(texts) if name == column]
            prefix = work.candidate_prefix if column == "candidate" else work.prefix
            length = min(work.max_length, limits.get(column, work.max_length))
            ids = tokenizer([prefix + texts[i][0] for i in places], truncation=True, max_length=length,
                            return_attention_mask=False, verbose=False)["input_ids"]  # fmt: skip
            found |= dict(zip(places, ids, strict=True))
        return [(found[i], language) for i, (_, language, _) in enumerate(texts)]

    def read_split(split: Split, language: str) -> list[int]:
        """The run of rows of a split in a language."""
        begin = rows.rows
        for found in ahead(tokens, chunks(numbered(split, language), CHUNK)):
            for ids, spoken in found:
                sentences.add(Feature(0, ids or [tokenizer.pad_token_id], language=spoken), sentences.features)
        return [begin, rows.rows]

    def read(language: str) -> dict[str, list[int]]:
        """A language's runs of rows, by split."""
        return {split: read_split(split, language) for split in work.splits if split != POOL}

    pool = read_split(POOL, *work.task.languages_in(POOL)) if POOL in work.splits else None
    languages = _each_language(work, read)
    sentences.close()
    rows.close()
    write_about(context.out, _about(tokenizer) | {"languages": languages, POOL: pool})
    return _counts(languages, rows.rows, sentences)


class Numbers:
    """Numbers texts in the order in which they first come; a text is known by 16 bytes of its checksum."""

    def __init__(self) -> None:
        self._known: dict[bytes, int] = {}

    def of(self, text: str) -> tuple[int, bool]:
        """The text's number, and whether it is new."""
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        before = len(self._known)
        number = self._known.setdefault(digest, before)
        return number, number == before


def chunks(items: Iterable[Taken], size: int) -> Iterator[list[Taken]]:
    """Items in lists of `size`; the last may be shorter."""
    stream = iter(items)
    while held := list(itertools.islice(stream, size)):
        yield held


def ahead(encode: Callable[[Taken], Made], chunked: Iterable[Taken]) -> Iterator[Made]:
    """What `encode` makes of each chunk, in order; it works on one chunk while the next are read.

    Tokenizers let go of Python's lock, and use as many threads as the worker has.
    """
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(1) as pool:
        for chunk in chunked:
            waiting.append(pool.submit(encode, chunk))
            if len(waiting) > 2:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
