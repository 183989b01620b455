"""Everything that can be checked in a suite without training: data, checkpoints, the lengths of examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from xharness.adapter import Example, JudgedElsewhere, load_adapter, retrieval_adapter, unfolded
from xharness.collect.cells import Cell, collect, matches, skipper
from xharness.collect.fit import check_known, meant_adapter, stage_path
from xharness.collect.task_files import adapter_of, file_of
from xharness.data.examples import examples
from xharness.errors import ExitCode, HarnessError, Problem, Unreachable, UsageError, listed
from xharness.plan.identity import identity_of
from xharness.spec.load import Loaded
from xharness.spec.parse import Document, KeyPath, told
from xharness.spec.recipe import Recipe
from xharness.spec.stage import ENGLISH, Target
from xharness.spec.suite import Checkpoint
from xharness.spec.task import Split, Task

SAMPLE = 1000
"""Examples of a split and language whose lengths are measured."""
WIDE = 1 << 20
"""A maximum length that cuts nothing."""


@dataclass(frozen=True)
class Wanted:
    """One split in one language that some cell needs."""

    task: str
    split: str
    language: str
    length: int
    """Maximum length, in sub-words, of the training or evaluation that reads it."""


@dataclass(frozen=True)
class Measured:
    """What was found of it."""

    wanted: Wanted
    rows: int
    longest: int | None = None
    """Sub-words of the longest example measured; None without a tokenizer."""
    beyond: float = 0.0
    """Share of the measured examples that are longer than the recipe's maximum length."""


@dataclass
class Report:
    """What is wrong, and what is worth knowing."""

    usage: list[Problem] = field(default_factory=list)
    """Of the suite and task files."""
    data: list[Problem] = field(default_factory=list)
    """Of data and checkpoints."""
    notes: list[str] = field(default_factory=list)
    measured: list[Measured] = field(default_factory=list)

    @property
    def exit_code(self) -> ExitCode:
        """4 for files that cannot be used, 1 for data or checkpoints that cannot."""
        return ExitCode.USAGE if self.usage else ExitCode.FAILED if self.data else ExitCode.OK


def check_suite(
    loaded: Loaded,
    extra: Sequence[Checkpoint] = (),
    tell: Callable[[str], None] = lambda what: None,
    touch: bool = True,
) -> Report:
    """Check a suite in its profile. `tell` hears what is being checked; without `touch` only the files are."""
    report = Report(usage=list(loaded.problems))
    try:
        check_known(loaded, extra)
    except UsageError as error:
        report.usage += error.problems
    cells = _cells(loaded, extra, report)
    if touch:
        tokenizers = list(_checkpoints(cells, loaded, extra, report, tell))
        for wanted, doubted in _wanted(cells, loaded, report):
            tell(f"{wanted.task}, {wanted.split} [{wanted.language}]")
            _look(wanted, loaded, tokenizers[0] if tokenizers else None, report, doubted)
        report.data += _too_large(loaded, report)
        report.notes += _unseen(cells, loaded)
    report.usage, report.data = list(dict.fromkeys(report.usage)), list(dict.fromkeys(report.data))
    return report


def _unseen(cells: Sequence[Cell], loaded: Loaded) -> Iterator[str]:
    """Targets whose data another evaluator reads, so that nobody has looked at them."""
    for name in dict.fromkeys(cell.target for cell in cells):
        adapter = adapter_of(loaded.tasks[name]) if name in loaded.tasks else None
        if isinstance(adapter, JudgedElsewhere):
            where = ", ".join(str(value) for value in adapter.made_of(loaded.tasks[name]).values())
            yield f"task {name}: its evaluator reads its data itself ({where}); they were not looked at"


def _too_large(loaded: Loaded, report: Report) -> Iterator[Problem]:
    """Sizes that are more than there is, as far as all of it was measured."""
    rows = {(m.wanted.task, m.wanted.language): m.rows for m in report.measured if m.wanted.split == "train"}
    for row in loaded.intermediates:
        for number, stage in enumerate(loaded.stages(row)):
            size, spoken = next(iter(stage.size), None), stage.languages or (ENGLISH,)
            for name in stage.tasks if isinstance(size, int) else ():
                counts = [rows.get((name, language)) for language in spoken]
                known = [n for n in counts if n is not None]
                held = max(known, default=0) if stage.amount == "matched" else sum(known)
                if len(known) == len(counts) and isinstance(size, int) and size > held:
                    path = (*stage_path(loaded, row, number), "size")
                    what = f"is more than the {held:,} train examples of '{name}' in this profile."
                    yield loaded.document.problem(path, what, "Lower it, or raise the profile's limit.", size)


def _cells(loaded: Loaded, extra: Sequence[Checkpoint], report: Report) -> list[Cell]:
    """The suite's cells; if include and exclude leave none, the cells without them."""
    try:
        return collect(loaded, extra)
    except UsageError as error:
        if not any(told(report.usage, loaded.document, key) for key in ("grid", "checkpoint", "profile")):
            report.usage += error.problems
    grid = loaded.suite.grid.model_copy(update={"include": ("*",), "exclude": ()})
    whole = replace(loaded, suite=loaded.suite.model_copy(update={"grid": grid}))
    try:
        return collect(whole, extra or (Checkpoint(name="none", builtin="tiny"),))
    except UsageError:
        return []


def _wanted(cells: Sequence[Cell], loaded: Loaded, report: Report) -> Iterator[tuple[Wanted, bool]]:
    """(every split and language that cells need which are not skipped, whether it is doubted), each once.

    It is doubted if all cells that need it have a faulty mark, which might skip them once it is corrected.
    """
    wrong = {i for i in range(len(loaded.suite.mark)) if told(report.usage, loaded.document, "mark", i)}
    marks = tuple(m.model_copy(update={"skipif": None}) if i in wrong else m for i, m in enumerate(loaded.suite.mark))
    skip = skipper(replace(loaded, suite=loaded.suite.model_copy(update={"mark": marks})))
    patterns = [loaded.suite.mark[i].cells for i in wrong]
    cells = [c for c in cells if skip(c) is None]
    doubted = {c: any(matches(pattern, c) for pattern in patterns) for c in cells}
    seen: set[Wanted] = set()
    for cell in sorted(cells, key=lambda c: doubted[c]):
        for wanted in (*_of_intermediate(cell.intermediate, loaded), *_of_target(cell.target, loaded)):
            if wanted not in seen:
                seen.add(wanted)
                yield wanted, doubted[cell]


def _length(name: str, loaded: Loaded) -> int:
    """The maximum length of a task's inputs; the default if its recipe is wrong, which is reported."""
    try:
        return loaded.target_recipe(name).max_length
    except UsageError:
        return Recipe().max_length


def _of_intermediate(name: str, loaded: Loaded) -> Iterator[Wanted]:
    for number, stage in enumerate(loaded.stages(name)):
        try:
            length = loaded.stage_recipe(name, number).max_length
        except UsageError:
            length = Recipe().max_length
        for member in stage.tasks:
            yield from _training(member, length, loaded, stage.languages)


def _of_target(name: str, loaded: Loaded) -> Iterator[Wanted]:
    if name not in loaded.tasks:
        return
    task, length = _as_meant(loaded.tasks[name]), _length(name, loaded)
    splits: Sequence[Split] = ("test",)
    try:
        adapter = load_adapter(task.adapter)
        for member in task.tune_first:
            yield from _training(member, _length(member, loaded), loaded)
        if adapter.trains or task.tune_on:
            said = loaded.suite.target.get(name, Target())
            for member in (task.tune_on or name, *said.tasks):
                yield from _training(member, length, loaded, said.languages)
        if not adapter.trains:
            splits = retrieval_adapter(task.adapter).splits(task)
    except (HarnessError, ValueError):  # `check_fit` reports it.
        return
    for split in splits:
        for language in task.languages_in(split):
            yield Wanted(name, split, language, length)


def _as_meant(task: Task) -> Task:
    """The task; if its adapter does not exist, with the adapter of the nearest name."""
    try:
        load_adapter(task.adapter)
    except UsageError:
        return task.model_copy(update={"adapter": meant_adapter(task) or task.adapter})
    return task


def _training(name: str, length: int, loaded: Loaded, languages: Sequence[str] = ()) -> Iterator[Wanted]:
    if name not in loaded.tasks:
        return
    task = loaded.tasks[name]
    for split in ("train", "dev"):
        if getattr(task.data, split):
            for language in languages or (ENGLISH,):
                yield Wanted(name, split, language, length)


ROWS = ("adapter", "columns", "labels", "label_map", "options")
"""Keys of a task that say how its rows are to be read."""
PLACES = ("codes", "languages")
"""Keys that say where they are."""


def _look(wanted: Wanted, loaded: Loaded, tokenizer: Any, report: Report, doubted: bool) -> None:
    """Load one split in one language and measure it; problems that merely follow from reported ones are left out.

    `doubted`: a faulty mark may have been meant to skip the cells that need these data, so they may be missing.
    """
    task = _as_meant(loaded.tasks[wanted.task])
    document = file_of(loaded, wanted.task)

    def wrong(*path: str) -> bool:
        inside = ("profile", loaded.profile_name, *path)
        return told(report.usage, document, *path) or told(report.usage, document, *inside)

    unplaced = wanted.split == "test" and any(map(wrong, PLACES))
    if unplaced or wrong("data", wanted.split) or not loaded.knows_profile:
        return
    left_out: list[Problem] = []
    try:
        split, limit = wanted.split, loaded.limit_of(wanted.task)
        rows = examples(task, split, wanted.language, limit, skip=left_out.append)  # type: ignore[arg-type]
    except UsageError as error:
        # There is no such adapter or plug-in, which is reported.
        report.usage += [] if wrong("adapter") or told(report.usage, loaded.document, "plugins") else error.problems
        return
    except HarnessError as error:
        gone = isinstance(error, Unreachable)
        if doubted if gone else any(map(wrong, ROWS)) and task == loaded.tasks[wanted.task]:
            return
        for found in error.problems:
            report.data.append(_placed(found, document, loaded.profile_name, wanted))
        return
    if left_out:
        how_many = f"{len(left_out):,} bad row{'s' * (len(left_out) > 1)} left out"
        report.notes.append(f"{_name(wanted)}: {how_many}, such as {left_out[0]}")
    longest, beyond = None, 0.0
    if tokenizer is not None:
        try:
            lengths = _lengths(task, rows[:SAMPLE], tokenizer)
        except (HarnessError, ValueError, KeyError, TypeError) as error:
            if not any(map(wrong, ROWS)):
                what = f"cannot be encoded: {type(error).__name__}: {error}."
                report.data.append(Problem(_name(wanted), what))
        else:
            longest = max(lengths, default=0)
            beyond = sum(n > wanted.length for n in lengths) / max(1, len(lengths))
    report.measured.append(Measured(wanted, len(rows), longest, beyond))
    if wanted.split == "train" and task.labels:
        _unused_labels(task, rows, report)


def _placed(problem: Problem, document: Document, profile: str, wanted: Wanted) -> Problem:
    """A problem of the data, placed at the line of the task file that names them."""
    inside = ("profile", profile, "data", wanted.split)
    path: KeyPath = inside if document.positions.depth(inside) == len(inside) else ("data", wanted.split)
    where = f"{problem.where}: " if problem.where else ""
    return document.problem(path, f"[{wanted.language}] {where}{problem.what}", problem.hint)


def _name(wanted: Wanted) -> str:
    return f"task {wanted.task}, {wanted.split} [{wanted.language}]"


def _unused_labels(task: Task, rows: Sequence[Example], report: Report) -> None:
    """Note labels that no train row has: misspelt ones, or outputs of the head that are never trained."""
    adapter: Any = load_adapter(task.adapter)
    if not hasattr(adapter, "labels_of"):
        return
    missing = sorted(set(task.labels) - set(adapter.labels_of(task, rows)))
    if missing:
        report.notes.append(f"task {task.name}: no train row has the label{'s' * (len(missing) > 1)} {listed(missing)}")


def _lengths(task: Task, rows: Sequence[Example], tokenizer: Any) -> list[int]:
    """Sub-words of each example, uncut, special ones included."""
    adapter: Any = load_adapter(task.adapter)
    rows = list(unfolded(task, rows, True))
    if not adapter.trains:
        texts = [row[name] for row in rows for name in adapter.texts if isinstance(row.get(name), str)][:SAMPLE]
        return [len(ids) for ids in tokenizer(texts, verbose=False)["input_ids"]] if texts else []
    wide = Recipe(max_length=WIDE, doc_stride=1)
    lengths: dict[int, int] = {}
    for feature in adapter.encode(task, rows, tokenizer, wide, False):
        lengths[feature.example] = max(lengths.get(feature.example, 0), len(feature.ids))
    return list(lengths.values())


def _checkpoints(
    cells: Sequence[Cell], loaded: Loaded, extra: Sequence[Checkpoint], report: Report, tell: Callable[[str], None]
) -> Iterator[Any]:
    """Tokenizers of the checkpoints that load."""
    names = {c.name: i for i, c in enumerate(loaded.suite.checkpoint)}
    given = {c.name: c for c in (*loaded.suite.checkpoint, *extra)}
    for name in dict.fromkeys(c.checkpoint for c in cells):
        origin = ("hub", "path", "builtin")
        if name not in given or sum(getattr(given[name], key) is not None for key in origin) != 1:
            continue  # It is reported already.
        if name in names and any(
            told(report.usage, loaded.document, "checkpoint", names[name], key) for key in (*origin, "revision", "name")
        ):
            continue
        tell(f"checkpoint {name}")
        try:
            yield _tokenizer(given[name], loaded, report)
        except HarnessError as error:
            for found in error.problems:
                if name in names:
                    report.data.append(loaded.document.problem(("checkpoint", names[name]), found.what, found.hint))
                else:
                    report.data.append(found)


def _tokenizer(checkpoint: Checkpoint, loaded: Loaded, report: Report) -> Any:
    """The tokenizer of a checkpoint whose configuration is an encoder's."""
    from xharness.training.checkpoints import load_config, load_tokenizer, positions_of
    from xharness.training.origins import origin_of

    origin = origin_of(checkpoint, identity_of(checkpoint).content)
    config = load_config(origin)
    tokenizer = load_tokenizer(origin)
    most = positions_of(config)
    asked = {name: _length(name, loaded) for name in loaded.targets if name in loaded.tasks}
    cut = sorted(name for name, length in asked.items() if length > most)
    if cut:
        report.notes.append(f"checkpoint {checkpoint.name} has {most} positions: inputs of {listed(cut)} are cut to it")
    layers = getattr(config, "num_hidden_layers", None)
    layer = checkpoint.retrieval.layer
    if layer is not None and layers is not None and not -layers - 1 <= layer <= layers:
        index = next((i for i, c in enumerate(loaded.suite.checkpoint) if c.name == checkpoint.name), 0)
        what = f"there is no layer {layer} in {checkpoint.name}: it must lie between {-layers - 1} and {layers}."
        report.data.append(loaded.document.problem(("checkpoint", index, "retrieval"), what))
    return tokenizer
