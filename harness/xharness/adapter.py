"""The adapter: how one family of tasks is checked, encoded, headed, decoded and scored.

The harness never imports an adapter by name. Built-in adapters and a user's are found alike: by the entry point
group `xharness.adapters`, or as a class called `Adapter…` in a Python file that the suite names under `plugins`.
Importing an adapter's module must not import torch: `xharness check` reads its columns and options without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

from pydantic import BaseModel

from xharness.errors import DataError, UsageError, nearest

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

    from xharness.data.encoded import Rows
    from xharness.spec.recipe import Recipe
    from xharness.spec.task import Split, Task

    Vectors = Callable[[np.ndarray[Any, Any]], Any]
    """Numbers of sentences -> their embeddings [n, hidden]."""

Example = dict[str, Any]
"""One row under the adapter's column names, with `id` (str) and `language` (ISO 639-1)."""


@dataclass(slots=True)
class Feature:
    """One encoded input; an example may have several (windows of a long context, choices, pieces of a sentence).

    Features are stored as columns of an Arrow file: what is a number, an array of numbers or a text goes in as it is.
    """

    example: int
    """Index of its example in the list given to `encode`; an example's features stand together."""
    ids: Any
    """Sub-word ids, special tokens included: a list of ints or an int32 array."""
    types: Sequence[int] | None = None
    """Segment ids, where the tokenizer makes them and one is not 0."""
    target: Any = None
    """What the head is trained towards: a class, a number, one tag a sub-word, a (start, end) pair."""
    weight: float = 1.0
    """Terms that it adds to the loss: 1 for a class, one a word for tags."""
    note: Mapping[str, Any] | None = None
    """Whatever `decode` needs to get back to the example, by name: offsets, word starts, the window's origin."""
    language: str = ""
    """ISO 639-1 code of its example, filled by the harness."""


@runtime_checkable
class Adapter(Protocol):
    """What the harness asks of every family of tasks."""

    name: ClassVar[str]
    version: ClassVar[int]
    """Counts in the content key; raise it when the same input gives another output."""
    columns: ClassVar[Mapping[str, bool]]
    """Column name -> whether a row must have it."""
    metrics: ClassVar[tuple[str, ...]]
    """Names of the metrics that fit the family; the first is its default."""
    options: ClassVar[type[BaseModel]]
    """Frozen pydantic type of a task's `options` table."""
    trains: ClassVar[bool]
    """True for a `TunableAdapter`; False for a `RetrievalAdapter`, which uses the encoder as it is."""

    def check(self, task: Task, example: Example) -> str | None:
        """What is wrong with a row (a label not in the list, a span outside its context), or None."""


@runtime_checkable
class TunableAdapter(Adapter, Protocol):
    """A family whose tasks train a head. What few families need stands in the protocols below."""

    def encode(
        self, task: Task, examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, recipe: Recipe, train: bool
    ) -> list[Feature]:
        """Examples to features, in order; with `train`, targets too. Evaluation never truncates away an answer.

        Called with some hundred examples at a time, by several threads: it keeps nothing between calls.
        """

    def head(self, task: Task, hidden: int, dropout: float) -> nn.Module:
        """A fresh head: (hidden states [batch, length, hidden], attention mask [batch, length]) -> outputs.

        Outputs are [features, ...] (logits, or an embedding) or, for a value at each sub-word,
        [features, length, values].
        """

    def loss(self, task: Task, outputs: Tensor, features: Sequence[Feature]) -> Tensor:
        """The loss summed over the features' terms; the harness divides by the whole batch's weights.

        All features of an example come together; a batch may come in several calls (but see `WholeBatch`).
        """

    def decode(
        self, task: Task, examples: Sequence[Example], features: Sequence[Feature], outputs: Iterator[Any]
    ) -> list[Any]:
        """One prediction per example (JSON values) from the outputs of each feature (numpy, unpadded), in order.

        The examples are all those of one language, and have `id`, `language` and what `kept` names.
        """

    def reference(self, task: Task, example: Example) -> Any:
        """What a prediction is compared with, as the metric wants it (JSON values)."""

    def trivial(self, references: Sequence[Any]) -> list[Any]:
        """What says a model that has learnt nothing: the most frequent class for all; the board's chance row.

        Empty where nothing can be said without a model.
        """


@runtime_checkable
class LabellingAdapter(TunableAdapter, Protocol):
    """A family whose head has one output a label; a task that names no labels has those of its train split."""

    def labels_of(self, task: Task, examples: Sequence[Example]) -> tuple[str, ...]:
        """The labels in the rows, sorted."""


@runtime_checkable
class KeepsColumns(TunableAdapter, Protocol):
    """A family whose `decode` reads columns of the examples."""

    kept: ClassVar[tuple[str, ...]]
    """Names of those columns; the others are gone once a split is encoded."""


@runtime_checkable
class SaysTexts(Adapter, Protocol):
    """A family that says which columns of its examples are there to be read: what a corpus of them is made of."""

    texts: ClassVar[tuple[str, ...]]
    """Columns with a text or a list of texts; an example may lack some."""


@runtime_checkable
class SettlesOptions(Adapter, Protocol):
    """A family some of whose options follow from the rest of the task."""

    def settled(self, task: Task) -> BaseModel:
        """The options as they are used."""


@runtime_checkable
class FreshTargets(TunableAdapter, Protocol):
    """A family whose inputs and targets are made anew for every step (masks)."""

    def draw(
        self, task: Task, features: Sequence[Feature], tokenizer: PreTrainedTokenizerBase, random: np.random.Generator
    ) -> list[Feature]:
        """The features as one step sees them, weights too; the given ones stay as they are.

        `random` is a function of the training's seed, the step and the task, so that a resumed training draws what an
        undisturbed one does; on an evaluation split it is the same every time.
        """


@runtime_checkable
class ChosenPositions(TunableAdapter, Protocol):
    """A family whose head is applied to some sub-words alone, so that wide outputs (a vocabulary) stay few."""

    def positions(self, task: Task, feature: Feature) -> Sequence[int]:
        """Places of those sub-words in the feature; the outputs of all features are [places in all, values]."""


@runtime_checkable
class LanguageModelling(TunableAdapter, Protocol):
    """A family whose head is the checkpoint's own language-model head, its weights tied to the word embeddings."""

    language_head: ClassVar[bool]
    """True; `head` is then not called, and the vocabulary is trained whole. Where the options have a `fresh_head`, it
    says whether a checkpoint that lacks the head gets one."""


@runtime_checkable
class WholeBatch(TunableAdapter, Protocol):
    """A family whose loss compares the examples of a batch with each other (in-batch negatives).

    The batch goes through memory in chunks all the same: outputs first, then the loss, then the gradients of each
    chunk (Gao et al. 2021, arXiv 2101.06983).
    """

    whole_batch: ClassVar[bool]
    """True; `loss` gets the outputs of all features of a batch at once."""


@runtime_checkable
class ReadsLayer(TunableAdapter, Protocol):
    """A family whose head may read another hidden layer than the last."""

    def layer(self, task: Task) -> int | None:
        """Index into hidden_states, negative ones from the end; None for the last."""


@runtime_checkable
class Embedder(TunableAdapter, Protocol):
    """A family whose head makes an embedding of each feature, compared by cosine: a ranking target can be tuned on it.

    Its options may limit a side's length as `query_length` and `candidate_length` do.
    """

    embeds: ClassVar[bool]
    """True."""


@runtime_checkable
class Unfolds(Adapter, Protocol):
    """A family some of whose rows are several examples: a paragraph with its sentences, a text with its mentions."""

    def unfold(self, task: Task, example: Example, train: bool) -> Iterator[Example]:
        """The examples of a checked row, each with an `id` and its `language`; there may be none."""


@runtime_checkable
class ExportedHead(TunableAdapter, Protocol):
    """A family whose head is one that a model of transformers has, so that it can be exported."""

    exported: ClassVar[str]
    """What `AutoModelFor` is followed by: SequenceClassification, TokenClassification, …"""


@dataclass(frozen=True)
class MetricInput:
    """What one metric compares in a retrieval: a row's id, what was retrieved, what is right."""

    ids: Sequence[str]
    predictions: Sequence[Any]
    references: Sequence[Any]
    neighbours: Sequence[Sequence[tuple[str, float]]] = ()
    """The nearest few of each row with their similarity, the nearest first, for people to look at; no metric does."""


Mark = Literal["", "right", "wrong", "missed"]
"""Of a part of a text: said and right; said and wrong; right and not said."""


@dataclass(frozen=True, slots=True)
class Line:
    """What is shown of a prediction under one name: its text in parts, some of which are marked."""

    name: str
    parts: tuple[tuple[str, Mark], ...]


@dataclass(frozen=True)
class Case:
    """A prediction beside what it is about."""

    example: Example
    """Under the adapter's column names; id and language alone where the data are no longer at hand."""
    prediction: Any
    reference: Any
    """Both as the adapter's `decode` and `reference` gave them."""
    neighbours: Sequence[tuple[str, float]] = ()
    """Names of what was found, with similarities."""
    other: Callable[[str], Example | None] = lambda name: None
    """Another example of the target by its id, of the same language first, or by `language:id`."""


@runtime_checkable
class ShowsPredictions(Adapter, Protocol):
    """A family whose predictions are shown in a way of their own; of others example, answer and prediction are."""

    def shown(self, task: Task, case: Case) -> list[Line]:
        """The lines that tell a person what was asked, what is right and what was said."""


@runtime_checkable
class SaysProbabilities(TunableAdapter, Protocol):
    """A family whose outputs are probabilities of few answers, which are kept beside the predictions."""

    def probabilities(
        self, task: Task, examples: Sequence[Example], features: Sequence[Feature], outputs: Iterator[Any]
    ) -> list[list[float]]:
        """Of each example, in the order of the labels or choices; empty where the outputs are none. As `decode`."""


@runtime_checkable
class RetrievalAdapter(Adapter, Protocol):
    """A family that compares sentence embeddings and trains nothing."""

    texts: ClassVar[tuple[str, ...]]
    """Columns whose texts are embedded; surrounding white space does not count."""

    def spoken(self, example: Example, column: str) -> str:
        """ISO 639-1 code of the language of a text of an example, for models that are told it."""

    def splits(self, task: Task) -> tuple[Split, ...]:
        """The splits whose sentences are embedded."""

    def retrieve(
        self, task: Task, splits: Mapping[str, Rows], vectors: Vectors, device: str = "cpu"
    ) -> tuple[dict[str, MetricInput], dict[str, float]]:
        """Metric name -> what it compares, and facts worth recording (a threshold), for one language.

        `vectors` gives the embeddings [n, hidden] of sentences by their numbers, not normalised.
        """


@runtime_checkable
class PooledRetrieval(RetrievalAdapter, Protocol):
    """A family whose languages are searched in one pool of candidates, so that all of them are needed at once."""

    def limits(self, task: Task) -> Mapping[str, int]:
        """Column -> sub-words of its texts at the most, where it is less than the recipe's length."""

    def retrieve_pooled(
        self, task: Task, languages: Mapping[str, Mapping[str, Rows]], vectors: Vectors
    ) -> Iterator[tuple[str, dict[str, MetricInput] | DataError, dict[str, float]]]:
        """Language after language: what `retrieve` gives, or what is wrong with it.

        `languages` holds the splits of each; the split `pool`, which is of no language, stands under the name `pool`.
        """


class TextEmbedding(Protocol):
    """What embeds texts with a checkpoint."""

    def __call__(self, texts: Sequence[str], candidates: bool = False) -> NDArray[np.float32]:
        """[texts, hidden], not normalised; `candidates` are what is searched, before which another prefix may stand."""


@dataclass(frozen=True)
class Judgement:
    """What another evaluator found in one language."""

    score: float
    """Of the task's metric, 0 to 100."""
    values: Mapping[str, float]
    """Whatever else it measures."""
    n: int
    """Examples behind it."""


@runtime_checkable
class JudgedElsewhere(Adapter, Protocol):
    """A family with data and an evaluator of its own, which asks for nothing but embeddings."""

    def made_of(self, task: Task) -> Mapping[str, Any]:
        """What of data and evaluator can change a score, as JSON values: a commit, a version. It counts in the key."""

    def judge(self, task: Task, embed: TextEmbedding, out: Path) -> Iterator[tuple[str, Judgement | DataError]]:
        """Language after language: what it found, or what is wrong with its data. `out` takes its own result file."""


def installed_adapters() -> dict[str, Any]:
    """Name -> entry point of every adapter installed on this machine; nothing is imported."""
    return {point.name: point for point in entry_points(group="xharness.adapters")}


_loaded: dict[str, Adapter] = {}


def load_adapter(name: str) -> Adapter:
    """The adapter called `name`; raises UsageError that names the installed ones."""
    if name not in _loaded:
        points = installed_adapters()
        if name not in points:
            raise UsageError(f"no adapter is called '{name}'. {nearest(name, points)}")
        _loaded[name] = points[name].load()()
    return _loaded[name]


def register_adapter(adapter: Adapter) -> None:
    """Make an adapter known by its name, as a plug-in file of a suite does."""
    _loaded[adapter.name] = adapter


def unfolded(task: Task, rows: Iterable[Example], train: bool) -> Iterator[Example]:
    """The examples that checked rows hold: one each, but of families whose rows are several."""
    adapter = load_adapter(task.adapter)
    if not isinstance(adapter, Unfolds):
        return iter(rows)
    return (example for row in rows for example in adapter.unfold(task, row, train))


def options_of(task: Task) -> BaseModel:
    """The task's options as its adapter uses them, defaults included."""
    adapter = load_adapter(task.adapter)
    return adapter.settled(task) if isinstance(adapter, SettlesOptions) else adapter.options(**task.options)


def tunable_adapter(name: str) -> TunableAdapter:
    """The adapter called `name`, which must train; raises UsageError."""
    adapter = load_adapter(name)
    if not isinstance(adapter, TunableAdapter):
        raise UsageError(f"the adapter '{name}' trains no head; its tasks cannot be tuned on.")
    return adapter


def retrieval_adapter(name: str) -> RetrievalAdapter:
    """The adapter called `name`, which must retrieve; raises UsageError."""
    adapter = load_adapter(name)
    if not isinstance(adapter, RetrievalAdapter):
        raise UsageError(f"the adapter '{name}' does not compare sentence embeddings; its tasks need a tuned head.")
    return adapter
