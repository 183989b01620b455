"""F1 and accuracy of tag sequences.

Two F1s that must not be mixed. `f1_entity` is today's seqeval, for IOB2 tags. `f1_xtreme` is the rule behind the
published UDPOS column: seqeval 0.0.12 applied to bare part-of-speech tags, where runs of one tag count as one chunk.
seqeval since 0.0.13 drops a tag's first letter before it looks for the type, so that CCONJ and SCONJ become one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from xharness.metrics.base import Array, Metric, precision_recall_f1, ratio, require_pairs, rows

if TYPE_CHECKING:
    from xharness.spec.task import Task

Chunk = tuple[str, int, int]
"""(type, first token, last token)."""


def _require_tags(predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> None:
    require_pairs(predictions, references)
    for number, (predicted, gold) in enumerate(zip(predictions, references, strict=True)):
        require_pairs(predicted, gold, f"sentence {number}: ")


def reads_entities(task: Task) -> str | None:
    """Entities begin where a tag says so: bare tags have none, and seqeval reads something into their letters."""
    bare = [tag for tag in task.labels if tag != "O" and tag[:2] not in ("B-", "I-", "E-", "S-", "L-", "U-")]
    if not bare:
        return None
    return f"it finds entities by tags such as B-PER, I-PER and O, and {bare[0]} is none; f1_xtreme scores bare tags"


def _ends(tag: str, kind: str, next_tag: str, next_kind: str) -> bool:
    """Whether a chunk ends between two tokens, by their tags' first letters and their types."""
    return (
        tag in ("E", "S")
        or (tag in ("B", "I") and next_tag in ("B", "S", "O"))
        or (tag not in ("O", ".") and kind != next_kind)
    )


def _starts(tag: str, kind: str, next_tag: str, next_kind: str) -> bool:
    """Whether a chunk starts with the second of two tokens."""
    return (
        next_tag in ("B", "S")
        or (tag in ("E", "S", "O") and next_tag in ("E", "I"))
        or (next_tag not in ("O", ".") and kind != next_kind)
    )


def chunks_xtreme(tags: Sequence[str]) -> set[Chunk]:
    """Chunks of one sentence by the rule of seqeval 0.0.12, `get_entities` in metrics/sequence_labeling.py.

    A tag's first letter is read as its position, what follows its last hyphen (or the whole tag) as its type. So
    equal neighbours merge, but tags that begin with S (SCONJ, SYM) never do. XTREME scores the whole file at once,
    with an O after every sentence: a chunk never crosses sentences, and counts add up over them.
    """
    chunks: set[Chunk] = set()
    position, kind, first = "O", "O", 0
    for index, tag in enumerate([*tags, "O"]):
        next_position, next_kind = tag[0], tag.rsplit("-", 1)[-1]
        if _ends(position, kind, next_position, next_kind):
            chunks.add((kind, first, index - 1))
        if _starts(position, kind, next_position, next_kind):
            first = index
        position, kind = next_position, next_kind
    return chunks


def chunks_seqeval(tags: Sequence[str]) -> set[Chunk]:
    """Chunks of one sentence by the installed seqeval in its default mode (lenient IOB2)."""
    from seqeval.metrics.sequence_labeling import get_entities

    return set(get_entities(list(tags)))


def _chunk_outcomes(
    chunker: Any, predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]], language: str = ""
) -> Array:
    """[sentences, (correct, predicted, gold)] chunks."""
    _require_tags(predictions, references)
    table = []
    for predicted, gold in zip(predictions, references, strict=True):
        found, wanted = chunker(predicted), chunker(gold)
        table.append((len(found & wanted), len(found), len(wanted)))
    return rows(table, 3)


def _chunk_values(sums: Array) -> Mapping[str, Array]:
    return precision_recall_f1(sums[..., 0], sums[..., 1], sums[..., 2])


def _token_outcomes(
    predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]], language: str = ""
) -> Array:
    """[sentences, (correct, n)] tokens."""
    _require_tags(predictions, references)
    table = [
        (sum(p == r for p, r in zip(predicted, gold, strict=True)), len(gold))
        for predicted, gold in zip(predictions, references, strict=True)
    ]
    return rows(table, 2)


F1_ENTITY = Metric(
    name="f1_entity",
    source="seqeval's micro F1 in its default mode; XTREME's PAN-X, google-research/xtreme evaluate.py, f1().",
    parts=("correct", "predicted", "gold"),
    outcomes=partial(_chunk_outcomes, chunks_seqeval),
    values=_chunk_values,
    headline=("f1",),
    fits=reads_entities,
)

F1_XTREME = Metric(
    name="f1_xtreme",
    source="XTREME's UDPOS: google-research/xtreme evaluate.py, f1(), run by seqeval 0.0.12 (chakki-works/seqeval#38).",
    parts=("correct", "predicted", "gold"),
    outcomes=partial(_chunk_outcomes, chunks_xtreme),
    values=_chunk_values,
    headline=("f1",),
)

ACCURACY_TOKEN = Metric(
    name="accuracy_token",
    source="Share of words with the right tag; beside f1_xtreme, never in its place.",
    parts=("correct", "n"),
    outcomes=_token_outcomes,
    values=lambda sums: {"accuracy": 100 * ratio(sums[..., 0], sums[..., 1])},
    headline=("accuracy",),
)
