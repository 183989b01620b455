"""The suite: the grid to run, and how the result is averaged and compared."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from xharness.spec.base import Spec
from xharness.spec.engine import Engines
from xharness.spec.stage import Intermediate, Sampling, Target
from xharness.spec.task import HUB_ID, Limit, Names


class Retrieval(Spec):
    """How a checkpoint's sentence embeddings are read off; shown on the board."""

    layer: int | None = None
    """Index into hidden_states (0: the embeddings); negative counts from the end; two thirds of the depth if not
    said."""
    pooling: Literal["mean", "cls", "last"] = "mean"
    """`mean` over real tokens, special ones included, as XTREME does; the first token; or the last one, which is the
    only one that a model which reads from left to right has seen everything at."""
    prefix: str = ""
    """Text put before every sentence, for encoders trained with one (`query: `)."""
    candidate_prefix: str = ""
    """Text put before the candidates of a ranking target in its place (`passage: `); `prefix` if not said."""


BUILT_IN = ("tiny",)
"""Names of the encoders that come with the package."""


class Checkpoint(Spec):
    """Where training begins: exactly one of hub, path, builtin, step, run."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]*$")
    """By which cells and the board call it."""
    hub: str | None = Field(default=None, pattern=HUB_ID)
    """Repository on the Hub."""
    path: str | None = None
    """Folder with a model that transformers loads."""
    builtin: str | None = None
    """An encoder of the package: `tiny`."""
    step: str | None = Field(default=None, pattern=r"^(tune|choose)-[0-9a-f]+$")
    """A tuned model of the store by its key, as `xharness why` and `store ls` show it."""
    run: str | None = Field(default=None, pattern=r"^([^:]*:)?[^:]+$")
    """A tuned model of a stored run: `RUN:ROW` for a row's intermediate, `RUN:CELL` for a cell's own (kept by
    `--keep all`); `latest` is the newest run."""
    revision: str | None = None
    """Commit or branch on the Hub."""
    retrieval: Retrieval = Retrieval()
    """How sentences are embedded."""
    languages: dict[str, str] = {}
    """For models that are told the language of a text (XLM, X-MOD): the one to say in place of one they lack."""
    remote_code: bool = False
    """Whether Python code that comes with the checkpoint is run."""

    def rules(self) -> None:
        """One origin."""
        origins = ("hub", "path", "builtin", "step", "run")
        named = [k for k in origins if getattr(self, k) is not None]
        if len(named) != 1:
            raise ValueError(f"give exactly one of {', '.join(origins)}; found {', '.join(named) or 'none'}")


def _seed_list(value: Any) -> Any:
    return (value,) if isinstance(value, int) and not isinstance(value, bool) else value


Seeds = Annotated[tuple[int, ...], BeforeValidator(_seed_list, json_schema_input_type=int | tuple[int, ...])]


class Grid(Spec):
    """intermediates x targets x checkpoints x seeds, less what is excluded."""

    intermediates: tuple[str, ...] = ("none",)
    """Rows of the board: names of tasks or of `[intermediate.NAME]`, and `none`."""
    targets: tuple[str, ...]
    """Columns of the board: names of tasks."""
    checkpoints: tuple[str, ...] | None = None
    """Names of checkpoints; all of the suite's when absent."""
    seeds: Seeds = (0,)
    """Each cell is run under each of them."""
    include: tuple[str, ...] = ("*",)
    """Patterns over cell ids such as `squad_v1->*`; a cell must match one."""
    exclude: tuple[str, ...] = ()
    """Patterns of cells that are left out: `squad_*->panx`."""


class Mixture(Spec):
    """An intermediate of one stage with several tasks, as it was written before there were stages."""

    title: str = ""
    """What the board calls it."""
    tasks: tuple[str, ...] = Field(min_length=2)
    """Names of tasks."""
    cap: int | None = Field(default=None, gt=0)
    """Examples of one task at the most."""
    recipe: dict[str, Any] = {}
    """Settings of its recipe."""

    @property
    def intermediate(self) -> Intermediate:
        """The same as an intermediate of one stage."""
        return Intermediate(title=self.title, tasks=self.tasks, sampling=Sampling(cap=self.cap), recipe=self.recipe)


class Mark(Spec):
    """A mark on the cells that a pattern chooses."""

    cells: str
    """Pattern over cell ids, such as `ccg->*`."""
    skip: bool = False
    """Cells are skipped."""
    skipif: str | None = None
    """Skip when this holds: `missing(PATH)`, `no_gpu`, `offline`, `profile(NAME)`, joined by and/or/not."""
    xfail: bool = False
    """The cell is expected to fail."""
    name: str | None = None
    """A mark of your own, for -m."""
    reason: str = ""
    """Why; shown with the cells."""

    def rules(self) -> None:
        """It says something, and why it hides a failure."""
        if not (self.skip or self.skipif or self.xfail or self.name):
            raise ValueError("a mark needs one of skip, skipif, xfail, name")
        if (self.skip or self.xfail) and not self.reason:
            raise ValueError("a mark that skips or expects failure needs a reason")


AVERAGE = "average"
"""What an expectation measures of a row, beside targets."""
SCORE, CHANCE = "score", "chance"
"""What it may be measured over, beside rows."""


class Expect(Spec):
    """A bound on a score, checked after the run like an assertion: of cells, or of rows with their seeds together."""

    cells: str = ""
    """Pattern over cell ids; every cell that matches is checked."""
    row: str = ""
    """In place of cells: a row of the board, `none` and `best per target` among them, or a pattern over the other rows
    (`*`); each that matches is checked."""
    of: Names = ("average",)
    """Of a row: `average`, a target, or several, which are averaged."""
    than: Names = ()
    """Of a row: targets whose mean, measured in the same way, is subtracted; bounds are then on how much more it is."""
    language: str | None = None
    """Of a cell: one language instead of its score."""
    over: str = "score"
    """Bound the score itself, its difference from `chance`, or from a row: `none` is the one without an intermediate.
    With `at_least = 0` the row stands above that other one."""
    at_least: float | None = None
    """The lower bound, in points."""
    at_most: float | None = None
    """The upper bound, in points."""
    reason: str = ""
    """Why it is expected; shown when it fails."""

    def rules(self) -> None:
        """It is about cells or about rows, and it has a bound."""
        if bool(self.cells) == bool(self.row):
            found = "both" if self.cells else "neither"
            raise ValueError(f"an expectation is of cells or of a row: give one of the two, found {found}")
        of_rows = [key for key in ("of", "than") if key in self.model_fields_set]
        if self.cells and of_rows:
            raise ValueError(f"{of_rows[0]} is said of a row; these are cells, whose pattern names their targets")
        if self.row and self.language is not None:
            raise ValueError("language is said of cells; this is a row")
        if self.at_least is None and self.at_most is None:
            raise ValueError("an expectation needs at_least or at_most")

    def allows(self, value: float) -> bool:
        """Whether a value is within the bounds."""
        low, high = self.at_least, self.at_most
        return not ((low is not None and value < low) or (high is not None and value > high))


class AnalysisOf(Spec):
    """A question that is answered from what a run has stored."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    """Of its page and files."""
    kind: str
    """An analysis: `slices`, `families`, …, or one of yours."""
    title: str = ""
    """Of its page."""
    options: dict[str, Any] = {}
    """Settings of the analysis, checked by it."""


class Profile(Spec):
    """A named size of the same suite."""

    note: str = ""
    """Printed above the board."""
    comparable: bool = True
    """False: never ranked against published numbers."""
    checkpoints: tuple[str, ...] | None = None
    """Those of the suite that are run."""
    intermediates: tuple[str, ...] | None = None
    """Rows, in place of those of the grid."""
    targets: tuple[str, ...] | None = None
    """Columns, in place of those of the grid."""
    seeds: Seeds | None = None
    """In place of those of the grid."""
    limit: Limit = Limit()
    """Caps on the examples of every task."""
    recipe: dict[str, Any] = {}
    """Recipe settings for every task."""
    task: dict[str, dict[str, Any]] = {}
    """Recipe settings of one task, by its name."""
    sweep: dict[str, Any] | None = None
    """In place of the suite's `sweep`; an empty table is none."""
    threads: int | None = Field(default=None, gt=0)
    """Processor threads of one worker; counts nowhere, divides the machine."""
    device_tokens: int | None = Field(default=None, gt=0)
    """Padded tokens on the device at once; counts nowhere."""


class Suite(Spec):
    """One suite file, `extends` resolved."""

    title: str
    """What the board is called."""
    scheme: str = ""
    """Name of a scheme in `suites/schemes/`, or a TOML file: how targets are grouped and averaged.

    Without one the average is the plain mean over the suite's own targets, grouped as their tasks say.
    """
    default_profile: str | None = None
    """The profile that is run when none is said; without it the first."""
    tasks: tuple[str, ...] = ()
    """Further task files or folders, relative to the suite; `tasks/` beside it and the built-in ones are known."""
    plugins: tuple[str, ...] = ()
    """Python files with adapters of your own."""
    checkpoint: tuple[Checkpoint, ...] = ()
    """Pretrained encoders, `[[checkpoint]]` each."""
    grid: Grid
    """What is run: rows, columns, seeds."""
    intermediate: dict[str, Intermediate] = {}
    """Rows of the board that are more than one task in English."""
    target: dict[str, Target] = {}
    """How a target is tuned, where it is not on its own English data alone."""
    mixture: dict[str, Mixture] = {}
    """Several tasks trained together in proportion to their sizes; `intermediate` says the same and more."""
    mark: tuple[Mark, ...] = ()
    """Labels, skips and expected failures of cells, `[[mark]]` each."""
    recipe: dict[str, dict[str, Any]] = {}
    """Recipe settings of one task, by its name."""
    sweep: dict[str, Any] = {}
    """Settings of the recipe with several values each, tried in every target's own tuning and chosen on English dev:
    `learning_rate = [1e-5, 2e-5, 5e-5]`. A table with a target's name is in place of them for that target."""
    profile: dict[str, Profile] = {}
    """Sizes of the suite by name."""
    baselines: tuple[str, ...] = ()
    """Baseline files shown with --baselines."""
    expect: tuple[Expect, ...] = ()
    """Bounds on scores and differences, judged after the run, `[[expect]]` each."""
    analysis: tuple[AnalysisOf, ...] = ()
    """What is asked of the run."""
    engine: Engines = Engines()
    """What the engines are told that run it elsewhere: `[engine.slurm]`."""
    citation: str = ""
    """Shown with the suite."""
