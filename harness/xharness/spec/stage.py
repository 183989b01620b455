"""The stage: one or several tasks trained together with one recipe. An intermediate is a chain of stages."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from xharness.spec.base import Spec
from xharness.spec.recipe import Lora


class Sampling(Spec):
    """In which proportion the tasks of a stage are drawn, batch by batch; in proportion to their examples if not said.

    Every batch is of one task.
    """

    by: Literal["proportional", "uniform"] = "proportional"
    """`proportional` to the sizes, or `uniform`."""
    cap: int | None = Field(default=None, gt=0)
    """Examples of one task at the most."""
    temperature: float | None = Field(default=None, gt=0)
    """Tasks are drawn in proportion to their examples to the power of 1/temperature (Devlin's multilingual BERT;
    Arivazhagan et al. 2019, arXiv 1907.05019): 1 is proportional, large numbers come near to uniform."""
    weights: dict[str, float] = {}
    """Tasks are drawn in proportion to these."""
    language_temperature: float | None = Field(default=None, gt=0)
    """The languages of a task likewise, example by example; XLM-R's exponent of 0.3 is a temperature of 3.33
    (Conneau et al. 2020, arXiv 1911.02116)."""

    def rules(self) -> None:
        """One way of drawing."""
        ways = [k for k in ("temperature", "weights") if getattr(self, k)] + (["by"] if self.by == "uniform" else [])
        if len(ways) > 1:
            raise ValueError(f"give one of by, temperature, weights; found {' and '.join(ways)}")
        if low := [name for name, weight in self.weights.items() if weight <= 0]:
            raise ValueError(f"a weight must be greater than 0; that of {low[0]} is {self.weights[low[0]]:g}")


def _by(value: Any) -> Any:
    return {"by": value} if isinstance(value, str) else value


def _one_size(value: Any) -> Any:
    return (value,) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


ENGLISH = "en"
"""The language of a training where none is said."""
Size = int | float
"""Examples of a stage's task: a whole number, or with a decimal point a share of all (1.0 is all)."""
Sizes = Annotated[tuple[Size, ...], BeforeValidator(_one_size, json_schema_input_type=Size | tuple[Size, ...])]


class Training(Spec):
    """What a stage says beside its tasks."""

    languages: tuple[str, ...] = ()
    """Languages of the training data; English if not said."""
    amount: Literal["all", "matched"] = "all"
    """Of several languages: all examples of each, or as many together as one of them has."""
    size: Sizes = ()
    """Examples of each task: chosen by the seed, the smaller ones among the larger. Several sizes make several rows."""
    sampling: Annotated[Sampling, BeforeValidator(_by, json_schema_input_type=str | Sampling)] = Sampling()
    """How often each of several tasks is drawn."""
    share_head: bool = False
    """Tasks with the same adapter and labels are trained with one head."""
    select_on: str = ""
    """The task on whose dev set states are compared; the stage's own tasks if not said."""
    recipe: dict[str, Any] = {}
    """Settings of the recipe, over those of the tasks."""
    freeze: Literal["nothing", "embeddings", "encoder"] | int | None = None
    """The recipe's `freeze`."""
    lora: Lora | None = None
    """The recipe's `lora`."""
    sweep: dict[str, Any] = {}
    """Settings of the recipe with several values each: `{ learning_rate = [1e-5, 3e-5] }`; one is chosen on dev."""

    def rules(self) -> None:
        """Sizes are sizes; nothing is said twice."""
        if wrong := [size for size in self.size if size <= 0 or (isinstance(size, float) and size > 1)]:
            what = "a size is a whole number of examples, or a share from above 0.0 to 1.0"
            raise ValueError(f"{what}; found {wrong[0]!r}")
        if twice := [key for key in ("freeze", "lora") if getattr(self, key) is not None and key in self.recipe]:
            raise ValueError(f"{twice[0]} stands here and in recipe; say it once")

    @property
    def own_recipe(self) -> dict[str, Any]:
        """What the stage says of its recipe."""
        said = {"freeze": self.freeze, "lora": None if self.lora is None else self.lora.model_dump(exclude_unset=True)}
        return {**self.recipe, **{key: value for key, value in said.items() if value is not None}}


class Stage(Training):
    """One stage of a chain."""

    tasks: tuple[str, ...] = Field(min_length=1)
    """Names of tasks that are trained together."""


class Target(Training):
    """How a target is tuned, where it is not on its own English data alone; and by what else it is scored."""

    tasks: tuple[str, ...] = ()
    """Tasks that are trained beside its own."""
    also: tuple[str, ...] = ()
    """Further metrics that it is scored by, beside the task's: `["recall_at_3"]`."""


class Intermediate(Training):
    """A row of the board: one stage, or several one after the other."""

    title: str = ""
    """What the board calls it."""
    tasks: tuple[str, ...] = ()
    """Names of tasks that are trained together."""
    stages: tuple[str | Stage, ...] = ()
    """Each a task by its name, or a table."""

    def rules(self) -> None:
        """One stage or a chain."""
        super().rules()
        if bool(self.tasks) == bool(self.stages):
            found = "both" if self.tasks else "neither"
            raise ValueError(f"give tasks (one stage) or stages (a chain of them); found {found}")
        of_a_stage = {*self.model_fields_set} - {"title", "tasks", "stages"}
        if self.stages and of_a_stage:
            raise ValueError(f"{min(of_a_stage)} is said of a stage: put it into a table in stages")
        if len([s for s in self.chain if len(s.size) > 1]) > 1:
            raise ValueError("only one stage of a chain may have several sizes")

    @property
    def chain(self) -> tuple[Stage, ...]:
        """The stages."""
        if self.stages:
            return tuple(Stage(tasks=(s,)) if isinstance(s, str) else s for s in self.stages)
        # Not validated again: what is wrong with it is told already.
        return (Stage.model_construct(**{key: getattr(self, key) for key in Stage.model_fields}),)

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The sizes that make rows of their own; empty where there is one row."""
        # One that is said twice is told, and is one row meanwhile; 1 is one example and 1.0 all of them.
        several = next((stage.size for stage in self.chain if len(stage.size) > 1), ())
        return tuple({repr(size): size for size in several}.values())
