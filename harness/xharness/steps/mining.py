"""Mine: search the stored embeddings of a retrieval target, language by language, and score what is found."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from xharness.adapter import MetricInput, PooledRetrieval, RetrievalAdapter, retrieval_adapter
from xharness.data.encoded import EncodedRetrieval
from xharness.errors import DataError, Problem, listed
from xharness.spec.task import POOL
from xharness.steps.context import StepContext
from xharness.steps.embedding import Embeddings
from xharness.steps.mine import Mine
from xharness.steps.score_table import ScoreTable, collapsed
from xharness.training.devices import hardware
from xharness.training.progress import Progress

Found = tuple[str, dict[str, MetricInput] | DataError, dict[str, float]]
"""A language, what its metrics compare or what is wrong with it, facts."""


def mine(work: Mine, context: StepContext) -> dict[str, Any]:
    """Retrieve and score; a language without data is recorded, the others are scored."""
    began = time.monotonic()
    # A GPU has other things to do, and its worker would wait for the search.
    machine = hardware(work.device.model_copy(update={"device": "cpu"}))
    adapter = retrieval_adapter(work.target.adapter)
    encoded = EncodedRetrieval(context.folder(work.encoded), adapter.texts)
    embeddings = Embeddings(context.folder(work.embeddings))
    table = ScoreTable(work.target)
    progress = Progress(context.report, len(work.target.languages), "languages", work.label)
    for language, found, facts in _found(work, adapter, encoded, embeddings, str(machine.device)):
        if isinstance(found, DataError):
            table.failed(language, str(found))
        else:
            said = found[work.target.metric].predictions
            # Whether a pair was mined: all true is perfect, all false is nothing found.
            nothing = not any(said) if all(isinstance(p, bool) for p in said) else collapsed(said)
            table.add(language, found, nothing, facts)
        progress.add(1)
    table.write(context.out)
    fitted = [entry.get("facts", {}).get("dev_f1") for entry in table.languages.values()]
    return {
        # Of the split the threshold was fitted on; a target without one has no dev score to choose by.
        "dev": sum(fitted) / len(fitted) if all(f is not None for f in fitted) else None,
        "languages": len(table.languages),
        "unscored": table.unscored,
        "seconds": round(time.monotonic() - began, 3),
        "embedding": embeddings.about,
        "device": str(machine.device),
    }


def _found(
    work: Mine, adapter: RetrievalAdapter, encoded: EncodedRetrieval, embeddings: Embeddings, device: str
) -> Iterator[Found]:
    """Language after language; of families with one pool, all of them from one search."""
    spoken = [language for language in work.target.languages if language not in encoded.failures]
    for language in work.target.languages:
        if language in encoded.failures:
            yield language, DataError(encoded.failures[language]), {}
    if isinstance(adapter, PooledRetrieval):
        lacking = listed([language for language in work.target.languages if language in encoded.failures])
        if lacking and not work.target.data.pool:
            # In a smaller pool every score would be higher.
            what = f"cannot be ranked: the pool lacks the candidates of {lacking}, whose data are wrong."
            for language in spoken:
                yield language, DataError(Problem(f"task {work.target.name}, test [{language}]", what)), {}
            return
        splits = {language: encoded.splits(language) for language in spoken}
        if (pool := encoded.pool()) is not None:
            splits = {POOL: {POOL: pool}, **splits}
        yield from adapter.retrieve_pooled(work.target, splits, embeddings)
        return
    for language in spoken:
        try:
            yield language, *adapter.retrieve(work.target, encoded.splits(language), embeddings, device)
        except DataError as error:
            yield language, error, {}
