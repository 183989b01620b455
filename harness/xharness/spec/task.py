"""The task: one data set with its adapter, columns, metric, languages and recipe."""

from __future__ import annotations

import difflib
import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from xharness.spec.base import Spec

Split = Literal["train", "dev", "test", "pool"]
POOL: Literal["pool"] = "pool"
"""The split that is of no language."""
SPLITS: tuple[Split, ...] = ("train", "dev", "test", POOL)
Format = Literal["json", "jsonl", "csv", "tsv", "conllu", "columns", "parquet", "squad", "text"]
SUFFIXES: dict[str, Format] = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".conllu": "conllu",
    ".conllup": "columns",
    ".conll": "columns",
    ".bio": "columns",
    ".iob": "columns",
    ".iob2": "columns",
    ".parquet": "parquet",
    ".txt": "text",
}
COMPRESSED = (".gz", ".bz2", ".xz")
"""Suffixes behind the format's: the file is decompressed as it is read."""
ARCHIVES = (".zip", ".tar", ".tgz", ".7z", ".rar", ".zst", ".xlsx", ".xls", ".ods")
"""Suffixes of what is never read as it is."""
ENCODINGS = (
    "utf-8", "utf-16", "latin-1", "iso-8859-15", "cp1250", "cp1251", "cp1252", "cp1256", "koi8-r", "gb18030", "big5",
    "shift_jis", "euc_jp", "euc_kr",
)  # fmt: skip
"""Some of the codecs that Python knows."""

HUB_ID = r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)?$"
"""`owner/name`, or a name alone."""

ColumnPath = str | tuple[str, ...]
"""A column's name, a dotted path into a nested one (`choices.text`), or several columns taken as a list."""


def _as_list(value: Any) -> Any:
    return (value,) if isinstance(value, dict) else value


class Source(Spec):
    """Where one split's rows come from: exactly one of `hub`, `file`, `builtin`."""

    hub: str | None = Field(default=None, pattern=HUB_ID)
    """Dataset repository on the Hugging Face Hub, `owner/name`."""
    config: str | None = None
    """Its configuration; `{lang}` stands for the language's code."""
    split: str | None = None
    """Its split; `{lang}` allowed."""
    revision: str | None = None
    """Commit, tag or branch; a commit makes a run repeatable for ever."""
    file: str | None = None
    """A local file, relative to the TOML file that names it; `{lang}`, `~` and environment variables are expanded."""
    format: Format | None = None
    """Of a local file; from its suffix when absent (`.gz`, `.bz2` and `.xz` may follow it)."""
    delimiter: str | None = None
    """What separates the columns of a csv or tsv, where it is no comma or tab: `";"`."""
    header: bool | None = None
    """Whether the first line of a csv, tsv or columns file names its columns; when absent, a table's does unless all
    columns are called by number, a columns file's where a column is called by a name that nothing else gives."""
    encoding: str | None = None
    """Of a local file that is not UTF-8: `"latin-1"`, `"cp1252"`, any codec that Python knows."""
    builtin: str | None = None
    """A data set of the built-in generator (`xharness.micro`)."""
    size: int = Field(default=1000, gt=0)
    """Rows the generator makes."""
    seed: int = 0
    """Seed of the generator."""
    where: dict[str, str | int] = {}
    """Keep the rows whose column has this value; `{lang}` and the wildcard `*` are allowed."""
    drop: dict[str, str | int | tuple[str | int, ...]] = {}
    """Leave out the rows whose column has this value, or one of these: `{ label = -1 }` for unlabelled SNLI rows."""
    rows: tuple[float, float] | None = None
    """Keep this part of the rows, as fractions: `[0.0, 0.5]` is the first half."""
    skip_bad: bool = False
    """Leave out the rows that the adapter complains about, and tell how many they are, instead of stopping at them."""
    columns: dict[str, ColumnPath] | None = None
    """Columns of this source where they differ from the task's; a key maps an adapter's column to the data's."""
    side: str | None = None
    """For mining: which side of the bitext this file is (`source`, `target` or `gold`)."""

    def rules(self) -> None:
        """One origin, and what can be known of it."""
        named = [k for k in ("hub", "file", "builtin") if getattr(self, k) is not None]
        if len(named) != 1:
            raise ValueError(f"give exactly one of hub, file, builtin; found {', '.join(named) or 'none'}")
        if self.rows and not 0 <= self.rows[0] < self.rows[1] <= 1:
            raise ValueError(f"rows must be [from, to] with 0 <= from < to <= 1, found {list(self.rows)}")
        of_files = [k for k in ("format", "delimiter", "header", "encoding") if getattr(self, k) is not None]
        if not self.file and of_files:
            raise ValueError(f"{of_files[0]} is for local files; this source is {named[0]}")
        if self.file:
            self._file_rules(self.file)

    def _file_rules(self, file: str) -> None:
        suffix = PurePosixPath(file).suffix.lower()
        if self.format is None and _suffix(file) in ARCHIVES:
            what = "save its sheet as csv" if suffix in (".xlsx", ".xls", ".ods") else "unpack it"
            raise ValueError(f"a {_suffix(file)} file is not read as it is, {what}; found '{file}'")
        if self.file_format is None:
            raise ValueError(f"the format of '{file}' is not known from its suffix; add format = \"…\"")
        for key, formats in (("delimiter", ("csv", "tsv")), ("header", ("csv", "tsv", "columns"))):
            if getattr(self, key) is not None and self.file_format not in formats:
                allowed = f"{', '.join(formats[:-1])} and {formats[-1]}"
                raise ValueError(f"{key} is for {allowed}; the format of '{file}' is {self.file_format}")
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise ValueError(
                f"delimiter must be one character and neither quote nor line end, found {self.delimiter!r}"
            )
        if self.encoding is not None and self.file_format == "parquet":
            raise ValueError("encoding is for text; a parquet file says its own")
        if self.encoding is not None and not _is_encoding(self.encoding):
            meant = difflib.get_close_matches(self.encoding.lower(), ENCODINGS, n=1, cutoff=0.6)
            hint = f" (did you mean '{meant[0]}'?)" if meant else ""
            raise ValueError(
                f"there is no encoding '{self.encoding}'{hint}; Python has {', '.join(ENCODINGS)}, and more"
            )

    @property
    def file_format(self) -> Format | None:
        """The format of a local file, given or from its suffix."""
        return self.format or (SUFFIXES.get(_suffix(self.file)) if self.file else None)


def _suffix(file: str) -> str:
    """A file's suffix, without that of its compression, in small letters."""
    path = PurePosixPath(file.lower())
    return PurePosixPath(path.stem).suffix if path.suffix in COMPRESSED else path.suffix


def _is_encoding(name: str) -> bool:
    """Whether Python has a codec of that name for text."""
    try:
        "a".encode(name)
    except (LookupError, ValueError):
        return False
    return True


def _as_names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_as_names, json_schema_input_type=str | tuple[str, ...])]
"""One name, or several."""
Sources = Annotated[tuple[Source, ...], BeforeValidator(_as_list, json_schema_input_type=Source | tuple[Source, ...])]


def _for_all_languages(pool: tuple[Source, ...]) -> tuple[Source, ...]:
    for source in pool:
        told = (source.config, source.split, source.file, *source.where.values())
        if any("{lang}" in str(value) for value in told):
            raise ValueError("is one pool for all languages: no {lang} in it. Give several sources ([[data.pool]])")
    return pool


class Data(Spec):
    """The sources of each split; one table or several (`[[data.train]]`), which are concatenated."""

    train: Sources = ()
    """The split that is trained on."""
    dev: Sources = ()
    """The split that chooses."""
    test: Sources = ()
    """The split that is scored, in every language."""
    pool: Annotated[Sources, AfterValidator(_for_all_languages)] = ()
    """Of a ranking task: candidates beside those among its test rows; one set for all languages, without `{lang}`."""


class Limit(Spec):
    """Caps on what is used of a split; `None` is no cap. The first rows that fit are taken after a seeded shuffle."""

    train: int | None = Field(default=None, gt=0)
    """Examples of the train split."""
    dev: int | None = Field(default=None, gt=0)
    """Examples of the dev split."""
    test: int | None = Field(default=None, gt=0)
    """Examples of the test split, per language."""
    tokens: int | None = Field(default=None, gt=0)
    """Sub-word tokens of the train split, counted on the encoded examples."""


FORBIDS = re.compile(
    r"\bLDC\b|user agreement|not be (shared|redistributed)|no redistribution|proprietary", re.IGNORECASE
)
"""Words of a licence by which others must get the data themselves."""


class TaskProfile(Spec):
    """What a named profile changes in a task."""

    languages: tuple[str, ...] | None = None
    """In place of the task's."""
    data: Data | None = None
    """Replaces the splits that it names."""
    columns: dict[str, ColumnPath] | None = None
    """In place of the task's."""
    codes: dict[str, str] | None = None
    """In place of the task's."""
    options: dict[str, Any] = {}
    """Over those of the task."""
    recipe: dict[str, Any] = {}
    """Over that of the task."""
    limit: Limit = Limit()
    """Over those of the task."""
    tune_on: str | None = None
    """In place of the task's."""
    tune_first: tuple[str, ...] | None = None
    """In place of the task's."""


class Task(Spec):
    """One data set with its adapter, columns, metric, languages and recipe."""

    name: str = Field(pattern=r"^([a-z0-9][a-z0-9_.]*|mteb:[A-Za-z0-9_.+-]+)$")
    """By which suites call it; that of its file, or `mteb:NAME`."""
    title: str
    """What the board calls it."""
    adapter: str
    """The task family: classification, tagging, question_answering, multiple_choice, retrieval, ranking, dual_encoder,
    masked_lm, mteb, or one of yours."""
    counts_as: str = ""
    """The scheme's name of this target, where it differs from the task's (`bucc2018`)."""
    group: str = "other"
    """Group of targets on the board."""
    metric: str
    """The column's metric, its convention in its name."""
    also: tuple[str, ...] = ()
    """Further metrics computed beside it."""
    languages: tuple[str, ...] = ("en",)
    """ISO 639-1 codes of the evaluation languages."""
    codes: dict[str, str] = {}
    """What `{lang}` becomes for a language, where the data set has codes of its own."""
    tune_on: str | None = None
    """The task whose English train and dev sets a target is tuned on; its own when absent.

    Targets that name the same task, with the same recipe, share one tuning. A ranking task is tuned on a dual
    encoder's, or on nothing.
    """
    tune_first: tuple[str, ...] = ()
    """Tasks that are trained before, one stage each with its own recipe. Where the stage right before is of the same
    family, and has the same labels if there is an output for each, its head goes on: XTREME-R trains Social IQa, then
    COPA. Else a head begins fresh."""
    choose_by: Names = ()
    """For a target without a dev set: the task, or tasks in order of preference, whose dev chooses its intermediate in
    the board's row `best per target`; the first that is a target of the run and has dev scores does."""
    labels: tuple[str, ...] = ()
    """Label names in the order of their integer codes."""
    label_map: dict[str, str] = {}
    """The data's spelling of a label to ours."""
    columns: dict[str, ColumnPath] = {}
    """The adapter's column names to the data's."""
    data: Data = Data()
    """Where its splits are."""
    options: dict[str, Any] = {}
    """Settings of the adapter, checked by it."""
    recipe: dict[str, Any] = {}
    """How it is trained."""
    limit: Limit = Limit()
    """Caps on the examples of its splits."""
    licence: str = ""
    """Of the data."""
    citation: str = ""
    """Of the data set."""
    tags: tuple[str, ...] = ()
    """Words that -k can select by."""
    note: str = ""
    """What a reader of the board must know."""
    profile: dict[str, TaskProfile] = {}
    """What named profiles change, `[profile.NAME]` each."""

    def languages_in(self, split: Split) -> tuple[str, ...]:
        """The languages that a split is read in; a pool, which is of all of them, is read once."""
        if split != POOL:
            return self.languages
        return ("en",) if "en" in self.languages else self.languages[:1]
