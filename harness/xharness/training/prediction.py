"""Prediction: all examples through the network in one stream, longest first, back in their own order.

Sorted batches under a token budget waste little on padding, and one stream over all languages has one tail instead of
forty. The longest batch comes first, so that what does not fit in memory is known at once.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from xharness.adapter import ChosenPositions, Feature, FreshTargets, SaysProbabilities, tunable_adapter
from xharness.data.encoded import Encoded
from xharness.spec.task import Task
from xharness.training.devices import Hardware
from xharness.training.features import budgeted, pad
from xharness.training.network import Network
from xharness.training.throughput import Throughput


def predict(
    network: Network,
    head: str,
    task: Task,
    encoded: Encoded,
    machine: Hardware,
    ids: NDArray[np.int32] | None = None,
    tokenizer: Any = None,
    counted: Callable[[int, int], None] = lambda examples, tokens: None,
    throughput: Throughput | None = None,
    probabilities: dict[str, list[list[float]]] | None = None,
) -> dict[str, list[Any]]:
    """Language -> a prediction for each of its examples; `counted` is told examples and tokens of every batch.

    `ids` renames sub-words (see `trimmed_vocabulary`); `tokenizer` is for families whose targets are made anew.
    `probabilities` takes those of each language's examples, of families that say them.
    """
    source = Source(task, encoded, tokenizer)
    decoder = PiecewiseDecoder(source) if source.wide else LanguageDecoder(source, probabilities)
    training = network.training
    network.eval()
    budget = machine.budget(*network.size, training=False)
    numbers = np.concatenate([np.arange(span.start, span.stop) for span in encoded.spans.values()])
    waiting = deque(numbers[batch] for batch in budgeted(encoded.lengths[numbers], encoded.counts[numbers], budget))
    # Once around all batches: in bf16 the weights are converted when they are first met, and kept until the end of it.
    with torch.inference_mode(), machine.autocast():
        while waiting:
            batch = waiting.popleft()
            features = [feature for number in batch.tolist() for feature in source.features(number)]
            try:
                inputs = pad(features, encoded.padding, machine.device, ids, network.languages)
                outputs = network.outputs(head, inputs, features).float().cpu().numpy()
            except torch.OutOfMemoryError:
                budget = machine.halved(budget)
                numbers = np.concatenate([batch, *waiting])
                again = budgeted(encoded.lengths[numbers], encoded.counts[numbers], budget)
                waiting = deque(numbers[places] for places in again)
                continue
            if throughput is not None:
                throughput.add(features)
            decoder.take(batch.tolist(), features, source.apart(features, outputs))
            counted(len(batch), int(encoded.tokens[batch].sum()))
    network.train(training)
    return decoder.predictions


class Source:
    """The features of an encoded split as they are evaluated, and their outputs one by one."""

    def __init__(self, task: Task, encoded: Encoded, tokenizer: Any) -> None:
        self.task, self.encoded, self._tokenizer = task, encoded, tokenizer
        self.adapter = tunable_adapter(task.adapter)
        self.wide = isinstance(self.adapter, ChosenPositions)
        self._fresh = self.adapter if isinstance(self.adapter, FreshTargets) else None
        self._seed = zlib.crc32(task.name.encode())

    def features(self, number: int) -> Sequence[Feature]:
        """Those of one example; what is drawn for it is the same in every batch and every evaluation."""
        found = self.encoded.item(number)
        if self._fresh is None:
            return found
        return self._fresh.draw(self.task, found, self._tokenizer, np.random.default_rng([self._seed, number]))

    def apart(self, features: Sequence[Feature], outputs: NDArray[np.float32]) -> Iterator[Any]:
        """The outputs of each feature, without padding."""
        if isinstance(self.adapter, ChosenPositions):
            ends = np.cumsum([len(self.adapter.positions(self.task, feature)) for feature in features])
            yield from np.split(outputs, ends[:-1])
            return
        for feature, row in zip(features, outputs, strict=True):
            yield row[: len(feature.ids)] if outputs.ndim == 3 else row


class LanguageDecoder:
    """Decodes a language when all its outputs are there."""

    def __init__(self, source: Source, probabilities: dict[str, list[list[float]]] | None = None) -> None:
        self._source, self._spans, self._probabilities = source, source.encoded.spans, probabilities
        self._left = {language: len(span) for language, span in self._spans.items()}
        self._outputs: dict[int, list[Any]] = {}
        self.predictions: dict[str, list[Any]] = {language: [] for language in self._spans}

    def take(self, numbers: Sequence[int], features: Sequence[Feature], outputs: Iterator[Any]) -> None:
        """Take the outputs of a batch: those of each example's features in turn."""
        counts = self._source.encoded.counts
        for number in numbers:
            # A view would keep the whole batch in memory.
            self._outputs[number] = [next(outputs).copy() for _ in range(counts[number])]
            language = self._source.encoded.language(number)
            self._left[language] -= 1
            if not self._left[language]:
                self._decode(language)

    def _decode(self, language: str) -> None:
        span, source = self._spans[language], self._source
        features = [f for number in span for f in source.features(number)]
        for feature in features:
            feature.example -= span.start
        outputs = [row for number in span for row in self._outputs.pop(number)]
        given = (source.task, source.encoded.examples(span), features)
        self.predictions[language] = source.adapter.decode(*given, iter(outputs))
        if self._probabilities is not None and isinstance(source.adapter, SaysProbabilities):
            self._probabilities[language] = source.adapter.probabilities(*given, iter(outputs))


class PiecewiseDecoder:
    """Decodes batch by batch, because outputs as wide as a vocabulary cannot wait for the rest of their language."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.predictions: dict[str, list[Any]] = {
            language: [None] * len(span) for language, span in source.encoded.spans.items()
        }

    def take(self, numbers: Sequence[int], features: Sequence[Feature], outputs: Iterator[Any]) -> None:
        """Decode a batch, language by language."""
        source, encoded = self._source, self._source.encoded
        by_language: dict[str, list[tuple[int, list[Feature], list[Any]]]] = {}
        stream = iter(features)
        for number in numbers:
            several = [next(stream) for _ in range(encoded.counts[number])]
            rows = [next(outputs) for _ in several]
            by_language.setdefault(encoded.language(number), []).append((number, several, rows))
        for language, held in by_language.items():
            examples = [encoded.examples(range(number, number + 1))[0] for number, *_ in held]
            flat: list[Feature] = []
            for place, (_, several, _) in enumerate(held):
                flat += [replace(feature, example=place) for feature in several]
            found = source.adapter.decode(source.task, examples, flat, (row for *_, rows in held for row in rows))
            start = encoded.spans[language].start
            for (number, *_), prediction in zip(held, found, strict=True):
                self.predictions[language][number - start] = prediction
