"""The files of a submission folder, read and written: what a line or an entry of each layout means.

Reading follows the readers of google-research/xtreme evaluate.py (read_label, read_tag, read_squad, read_xcopa), but a
fault is told with file and line, and reading goes on to find the next one.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xharness.errors import DataError, Problem, nearest
from xharness.score.scheme import SchemeTask

SHOWN = 5
"""Faults of one file that are told one by one; the others are counted."""


@dataclass
class File:
    """One file of a folder, its text, and what is wrong with it so far."""

    path: Path
    text: str
    faults: list[Problem] = field(default_factory=list)

    def fault(self, line: int | None, what: str, hint: str = "") -> None:
        """Note a fault at a line, or of the whole file."""
        self.faults.append(Problem(f"{self.path}:{line}" if line else str(self.path), what, hint))

    def fault_at(self, key: str, what: str) -> None:
        """Note a fault where a JSON string stands, which is only looked for if the fault will be told."""
        self.fault(self.line_of(key) if len(self.faults) < SHOWN else None, what)

    def told(self) -> list[Problem]:
        """The first faults, and how many more there are."""
        more = len(self.faults) - SHOWN
        tail = [Problem(str(self.path), f"has {more} more of these.")] if more > 0 else []
        return self.faults[:SHOWN] + tail

    def lines(self) -> Iterator[tuple[int, str]]:
        """Number and content of each line; only the line ends that a text file has split it."""
        # Written as text on Windows, a line end that was `\r\n` already has become `\r\r\n`.
        whole = re.sub("\r+\n|\r", "\n", self.text)
        if whole:
            yield from enumerate((line.strip() for line in whole.removesuffix("\n").split("\n")), start=1)

    def line_of(self, key: str) -> int | None:
        """The line on which a JSON string first stands."""
        for form in (json.dumps(key, ensure_ascii=False), json.dumps(key)):
            at = self.text.find(form)
            if at >= 0:
                return self.text.count("\n", 0, at) + 1
        return None

    def json(self) -> Any:
        """The parsed content; None and a fault where it is not JSON."""
        try:
            return json.loads(self.text)
        except json.JSONDecodeError as error:
            self.fault(error.lineno, f"is not JSON: {error.msg} at column {error.colno}.")
        except RecursionError:
            self.fault(None, "is nested too deeply.")
        return None

    def known(self, line: int, label: str | int, task: SchemeTask) -> None:
        """Note a label that the scheme does not list."""
        if task.labels and not any(label == one and type(label) is type(one) for one in task.labels):
            self.fault(line, f"unknown label {label!r}.", nearest(str(label), map(str, task.labels)))


@dataclass(frozen=True)
class Pair:
    """Predictions and references as the task's metric wants them."""

    predictions: Sequence[Any]
    references: Sequence[Any]
    unanswered: int = 0
    """Queries without a prediction, where the layout lets them count as nothing found."""


def read_pair(predictions: Path, labels: Path, task: SchemeTask) -> Pair:
    """A prediction file against its label file; DataError tells the faults of both."""
    problems: list[Problem] = []
    predicted, gold = (_open(path, problems) for path in (predictions, labels))
    if predicted is None or gold is None:
        raise DataError(*problems)
    pair = READERS[task.layout](predicted, gold, task)
    if not pair.references and not gold.faults:
        gold.fault(None, "holds no example.")
    if predicted.faults or gold.faults:
        raise DataError(*predicted.told(), *gold.told())
    return pair


def _open(path: Path, problems: list[Problem]) -> File | None:
    try:
        raw = path.read_bytes()
        return File(
            path, raw.decode("utf-16" if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig")
        )
    except FileNotFoundError:
        problems.append(Problem(str(path), "is missing; a task needs a file for each of its languages."))
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        problems.append(Problem(f"{path}:{line}", "is not UTF-8 text.", "Submissions are UTF-8."))
    except OSError as error:
        problems.append(Problem(str(path), f"cannot be read: {error.strerror}."))
    return None


def _same_length(predicted: File, gold: File, pair: Pair, what: str) -> Pair:
    ours, theirs = len(pair.predictions), len(pair.references)
    if ours != theirs and not predicted.faults and not gold.faults:
        predicted.fault(min(ours, theirs + 1) or None, f"{ours} {what} here, {theirs} in {gold.path}.")
    return pair


def _read_labels(predicted: File, gold: File, task: SchemeTask) -> Pair:
    return _same_length(predicted, gold, Pair(_labels(predicted, task), _labels(gold, task)), "labels")


def _labels(file: File, task: SchemeTask) -> list[str]:
    found = []
    for number, line in file.lines():
        if not line or "\t" in line:
            file.fault(number, "must hold one label, found " + ("an empty line." if not line else f"{line!r}."))
        else:
            file.known(number, line, task)
        found.append(line)
    return found


@dataclass(frozen=True)
class _Sentence:
    line: int
    tags: list[str]


def _read_tags(predicted: File, gold: File, task: SchemeTask) -> Pair:
    ours, theirs = (_sentences(file, task) for file in (predicted, gold))
    differ = [(a, b) for a, b in zip(ours, theirs, strict=False) if len(a.tags) != len(b.tags)]
    if len(ours) != len(theirs) and not predicted.faults and not gold.faults:
        # Where the two first fall out of step is where a blank line is missing or too many.
        line = differ[0][0].line if differ else ours[min(len(theirs), len(ours) - 1)].line if ours else None
        predicted.fault(line, f"{len(ours)} sentences here, {len(theirs)} in {gold.path}.")
        differ = []
    for mine, its in differ:
        what = f"the sentence has {len(mine.tags)} tags here, {len(its.tags)} in {gold.path}:{its.line}."
        predicted.fault(mine.line, what)
    return Pair([one.tags for one in ours], [one.tags for one in theirs])


def _sentences(file: File, task: SchemeTask) -> list[_Sentence]:
    """A blank line ends a sentence, so two in a row are an empty one; the last needs none."""
    found, current = [], _Sentence(1, [])
    for number, line in file.lines():
        if not line:
            found.append(current)
            current = _Sentence(number + 1, [])
        elif len(line.split()) != 1:
            file.fault(number, f"must hold one tag, found {line!r}.")
        else:
            file.known(number, line, task)
            current.tags.append(line)
    return [*found, current] if current.tags else found


def _read_pairs(predicted: File, gold: File, task: SchemeTask) -> Pair:
    ours, theirs = _pairs(predicted), _pairs(gold)
    everything = sorted(ours | theirs)
    return Pair([pair in ours for pair in everything], [pair in theirs for pair in everything])


def _pairs(file: File) -> set[tuple[str, ...]]:
    found = set()
    for number, line in file.lines():
        pair = tuple(line.split("\t"))
        if len(pair) != 2 or not all(pair):
            file.fault(number, f"must hold source<TAB>target, found {line!r}.")
        found.add(pair)
    return found


def _read_choices(predicted: File, gold: File, task: SchemeTask) -> Pair:
    return _same_length(predicted, gold, Pair(_choices(predicted, task), _choices(gold, task)), "rows")


def _choices(file: File, task: SchemeTask) -> list[Any]:
    found = []
    for number, line in file.lines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            row = None
        if not isinstance(row, dict) or "label" not in row:
            file.fault(number, 'must hold a JSON object with a "label".')
            continue
        file.known(number, row["label"], task)
        found.append(row["label"])
    return found


def _read_answers(predicted: File, gold: File, task: SchemeTask) -> Pair:
    wanted, answers = _squad(gold), _map(predicted, "a text")
    if answers is None:
        return Pair([], [golds for _, golds in wanted])
    for name, _ in wanted:
        if name not in answers:
            line = gold.line_of(name)
            predicted.fault(None, f"has nothing for id {name!r} of {gold.path}{f':{line}' if line else ''}.")
        elif not isinstance(answers[name], str):
            predicted.fault_at(name, f"id {name!r} must have a text, found {answers[name]!r}.")
    return Pair([answers.get(name) for name, _ in wanted], [golds for _, golds in wanted])


def _map(file: File, called: str) -> dict[str, Any] | None:
    """A file's predictions by id; None, with its fault noted, where it holds anything else."""
    content = file.json()
    if isinstance(content, dict):
        return content
    if not file.faults:
        file.fault(None, f"must be a map from id to {called}.")
    return None


def _squad(file: File) -> list[tuple[str, list[str]]]:
    """(id, gold answers) of each question of a SQuAD file, or of its `data` list alone."""
    found: list[tuple[str, list[str]]] = []
    content = file.json()
    articles: Any = content.get("data") if isinstance(content, dict) else content
    if file.faults:
        return found
    try:
        for question in (q for article in articles for paragraph in article["paragraphs"] for q in paragraph["qas"]):
            answers = [str(answer["text"]) for answer in question["answers"]]
            if not answers:
                file.fault(file.line_of(str(question["id"])), f"question {question['id']!r} has no gold answer.")
            found.append((str(question["id"]), answers))
    except (TypeError, KeyError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else "a list or a table is missing"
        file.fault(None, f"is not in SQuAD's form (data > paragraphs > qas > id, answers > text): {reason}.")
    return found


def _read_ranking(predicted: File, gold: File, task: SchemeTask) -> Pair:
    """Each query's ranked ids against its relevant ones. A query without a ranking has found nothing.

    So has it in google-research/xtreme third_party/utils_mewslix.py, evaluate(); a query that the labels lack, which
    is only counted there, is a fault here.
    """
    wanted, ranked = _relevant(gold), _map(predicted, "a ranked list of ids")
    if ranked is None:
        return Pair([], list(wanted.values()))
    for name, ids in ranked.items():
        if name not in wanted and not gold.faults:
            predicted.fault_at(name, f"query {name!r} is not in {gold.path}.")
        elif what := _not_ranked(ids):
            predicted.fault_at(name, f"id {name!r} {what}")
    predictions = [ranked.get(name, []) for name in wanted]
    return Pair(predictions, list(wanted.values()), sum(name not in ranked for name in wanted))


def _relevant(gold: File) -> dict[str, list[str]]:
    """Query -> its relevant ids."""
    content = gold.json()
    wanted: dict[str, list[str]] = {}
    if isinstance(content, dict):
        for name, ids in content.items():
            if not isinstance(ids, list) or not ids:
                gold.fault_at(name, f"query {name!r} must have a list of relevant ids.")
            else:
                wanted[name] = [str(one).strip() for one in ids]
    elif not gold.faults:
        gold.fault(None, "must hold an id -> ids map.")
    return wanted


def _not_ranked(ids: Any) -> str:
    """What is wrong with a ranking; empty if nothing is."""
    if not isinstance(ids, list):
        return f"must have a ranked list of ids, found {ids!r}."
    places: dict[str, int] = {}
    for rank, one in enumerate(ids, start=1):
        if not isinstance(one, str):
            return f"must have ids as texts, found {one!r} at rank {rank}."
        if places.setdefault(one, rank) != rank:
            return f"has {one!r} at ranks {places[one]} and {rank}; a candidate has one place."
    return ""


READERS: Mapping[str, Callable[[File, File, SchemeTask], Pair]] = {
    "labels": _read_labels,
    "tags": _read_tags,
    "pairs": _read_pairs,
    "choices": _read_choices,
    "answers": _read_answers,
    "ranking": _read_ranking,
}

Rows = Sequence[tuple[str, Any]]
"""(id, prediction or reference)."""


def text_of(rows: Rows, task: SchemeTask, gold: bool) -> str:
    """The content of a prediction file, or with `gold` of a label file; DataError where a row does not fit in."""
    if task.layout in ("answers", "ranking") and len({name for name, _ in rows}) != len(rows):
        raise DataError("two examples have the same id.")
    return WRITERS[task.layout](rows, task, gold)


def _spelled(value: Any, task: SchemeTask, name: str) -> str | int:
    """A label in the submission's spelling, which must fit on a line."""
    label: str | int = task.spelling.get(str(value), value)
    if task.labels and label not in task.labels:
        raise DataError(f"example {name!r}: unknown label {label!r}. {nearest(str(label), map(str, task.labels))}")
    if str(label) != str(label).strip() or not str(label) or any(mark in str(label) for mark in "\t\n\r"):
        raise DataError(f"example {name!r}: label {label!r} cannot stand on a line.")
    return label


def _write_labels(rows: Rows, task: SchemeTask, gold: bool) -> str:
    return "".join(f"{_spelled(value, task, name)}\n" for name, value in rows)


def _write_tags(rows: Rows, task: SchemeTask, gold: bool) -> str:
    return "".join("".join(f"{_spelled(tag, task, name)}\n" for tag in tags) + "\n" for name, tags in rows)


def _write_pairs(rows: Rows, task: SchemeTask, gold: bool) -> str:
    for name, _ in rows:
        if len(name.split("\t")) != 2 or any(mark in name for mark in "\n\r"):
            raise DataError(f"the id of a pair must be source<TAB>target, found {name!r}.")
    return "".join(f"{name}\n" for name, chosen in rows if chosen)


def _write_choices(rows: Rows, task: SchemeTask, gold: bool) -> str:
    return "".join(json.dumps({"id": name, "label": _spelled(value, task, name)}) + "\n" for name, value in rows)


def _write_map(rows: Rows, task: SchemeTask, gold: bool) -> str:
    return json.dumps(dict(rows), ensure_ascii=False, indent=1) + "\n"


def _write_rankings(rows: Rows, task: SchemeTask, gold: bool) -> str:
    return _write_map([(name, [str(one) for one in ids]) for name, ids in rows], task, gold)


def _write_answers(rows: Rows, task: SchemeTask, gold: bool) -> str:
    if not gold:
        return _write_map(rows, task, gold)
    # Scoring needs no more of SQuAD's form than ids and answers.
    questions = [{"id": name, "answers": [{"text": text} for text in answers]} for name, answers in rows]
    return json.dumps({"data": [{"paragraphs": [{"qas": questions}]}]}, ensure_ascii=False, indent=1) + "\n"


WRITERS: Mapping[str, Callable[[Rows, SchemeTask, bool], str]] = {
    "labels": _write_labels,
    "tags": _write_tags,
    "pairs": _write_pairs,
    "choices": _write_choices,
    "answers": _write_answers,
    "ranking": _write_rankings,
}
