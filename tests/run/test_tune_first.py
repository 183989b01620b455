"""Stages before a target's own tuning: what is planned, how heads go on, what is refused."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import safetensors.torch
import torch

from tiny import make_encoder, sentence, write_rows
from xharness.collect.cells import collect
from xharness.collect.fit import check_known
from xharness.errors import UsageError
from xharness.plan.plan import Plan
from xharness.plan.planner import Planner
from xharness.spec.load import load_suite
from xharness.steps import StepContext, perform
from xharness.steps.tune import Tune

CHANCE = random.Random(3)
SUITE = """title = "before"
[[checkpoint]]
name = "tiny"
path = "it"
[grid]
intermediates = {rows}
targets = {targets}
[profile.small]
"""
STILL = "learning_rate = 1e-30"
CHOICE = 'adapter = "multiple_choice"\nmetric = "accuracy"\n'
KINDS = {
    "choice": CHOICE,
    "answer": 'adapter = "question_answering"\nmetric = "squad"\n',
    "label": 'adapter = "classification"\nmetric = "accuracy"\nlabels = ["no", "yes"]\n',
    "other label": 'adapter = "classification"\nmetric = "accuracy"\nlabels = ["no", "maybe", "yes"]\n',
}


def row(kind: str) -> dict[str, object]:
    if kind == "choice":
        return {
            "context": sentence(CHANCE),
            "choices": [sentence(CHANCE), sentence(CHANCE)],
            "answer": CHANCE.randrange(2),
        }
    if kind == "answer":
        text = sentence(CHANCE)
        first = text.split()[0]
        return {"context": text, "question": "what", "answers": {"text": [first], "answer_start": [0]}}
    return {"text": sentence(CHANCE), "label": CHANCE.choice(["no", "yes"])}


class House:
    """A folder with an encoder, tasks and a suite."""

    def __init__(self, root: Path) -> None:
        self.root = root
        make_encoder(root / "it")
        (root / "tasks").mkdir()

    def task(self, name: str, kind: str = "choice", top: str = "", recipe: str = "", data: str = "train dev") -> None:
        """A task with sixteen rows a split."""
        rest = ""
        for split in (*data.split(), "test"):
            write_rows(self.root / "tasks" / f"{name}.{split}.jsonl", [row(kind) for _ in range(16)])
            rest += f'{split} = {{ file = "{name}.{split}.jsonl" }}\n'
        text = f'name = "{name}"\ntitle = "{name}"\n{KINDS[kind]}{top}\n[data]\n{rest}[recipe]\nepochs = 1\n{recipe}\n'
        (self.root / "tasks" / f"{name}.toml").write_text(text)

    def plan(self, *rows: str, targets: tuple[str, ...] = ("last",)) -> Plan:
        text = SUITE.format(rows=[*rows] or ["none"], targets=[*targets]).replace("'", '"')
        (self.root / "suite.toml").write_text(text)
        loaded = load_suite(str(self.root / "suite.toml"), "small")
        check_known(loaded)
        plan = Planner(loaded).plan(collect(loaded))
        assert not plan.blocked, plan.blocked
        return plan

    def run(self, plan: Plan) -> list[Path]:
        """Perform the trainings, and what they read; their folders in order."""
        for step in plan.steps.values():
            out = self.root / step.key
            if step.work.KIND in ("encode", "tune") and not out.exists():
                out.mkdir()
                scratch = self.root / f"{step.key}.scratch"
                perform(step.work, StepContext(lambda key: self.root / key, out, scratch, lambda said: None))
        return [self.root / key for key, step in plan.steps.items() if step.work.KIND == "tune"]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def tunings(plan: Plan, row: str = "none") -> list[Tune]:
    return [s.work for s in plan.under(f"{row}->last[tiny-0]") if isinstance(s.work, Tune)]


def heads(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of the one head, without its task's name."""
    held = safetensors.torch.load_file(folder / "heads.safetensors")
    return {key.partition(":")[2]: value for key, value in held.items()}


def test_stages_before_a_target_are_trained_one_after_the_other_with_recipes_of_their_own(house: House) -> None:
    house.task("first", recipe="batch_size = 4")
    house.task("second", recipe="batch_size = 8")
    house.task("third", recipe="batch_size = 2")
    house.task("last", top='tune_first = ["first", "second"]\ntune_on = "third"', recipe="batch_size = 16", data="")
    plan = house.plan("none", "third")
    one, two, three = tunings(plan)
    assert [[t.task.name for t in work.tasks] for work in (one, two, three)] == [["first"], ["second"], ["third"]]
    # What a target is tuned on takes the recipe of the target.
    assert [work.recipe.batch_size for work in (one, two, three)] == [4, 8, 16]
    keys = [s.key for s in plan.under("none->last[tiny-0]") if isinstance(s.work, Tune)]
    assert [one.parent, two.parent, three.parent] == [None, *keys[:2]]
    assert [work.label for work in (one, two, three)] == [
        "tune tiny on first, seed 0",
        "tune tiny after first on second, seed 0",
        "tune tiny after first and second on third, seed 0",
    ]
    assert [work.label for work in tunings(plan, "third")] == [
        "tune tiny on third as intermediate, seed 0",
        "tune tiny after third on first, seed 0",
        "tune tiny after third and first on second, seed 0",
        "tune tiny after third and first and second on third, seed 0",
    ]
    assert [work.head_from for work in tunings(plan, "third")] == [None, None, "first", "second"]


def test_targets_with_the_same_stages_before_them_share_these(house: House) -> None:
    house.task("first")
    for name in ("other", "last"):
        house.task(name, top='tune_first = ["first"]')
    plan = house.plan(targets=("other", "last"))
    made = [s.work for s in plan.steps.values() if isinstance(s.work, Tune)]
    assert [work.tasks[0].task.name for work in made] == ["first", "other", "last"]
    assert made[1].parent == made[2].parent == next(k for k, s in plan.steps.items() if s.work is made[0])


def test_the_head_of_the_next_stage_begins_as_the_one_before_it_ended(house: House) -> None:
    house.task("first", recipe="learning_rate = 1e-2")
    house.task("second", recipe=STILL)
    house.task("last", top='tune_first = ["first"]\ntune_on = "second"', recipe=STILL, data="")
    one, two = house.run(house.plan())
    before, after = heads(one), heads(two)
    assert before.keys() == after.keys()
    assert all(torch.equal(after[key], before[key]) for key in before)
    # It is not the fresh head that the second task would have by itself.
    house.task("last", top='tune_on = "second"', recipe=STILL, data="")
    (fresh,) = house.run(house.plan())
    assert not any(torch.equal(after[key], value) for key, value in heads(fresh).items() if "weight" in key)


@pytest.mark.parametrize(("before", "after"), [("answer", "choice"), ("other label", "label")])
def test_a_head_that_does_not_fit_begins_fresh(house: House, before: str, after: str) -> None:
    house.task("first", before)
    house.task("last", after, top='tune_first = ["first"]')
    plan = house.plan()
    (_, work) = tunings(plan)
    assert work.head_from is None
    assert len(house.run(plan)) == 2


def test_the_head_of_the_same_labels_goes_on(house: House) -> None:
    house.task("first", "label")
    house.task("last", "label", top='tune_first = ["first"]')
    assert [work.head_from for work in tunings(house.plan())] == [None, "first"]


def test_only_the_stage_right_before_hands_its_head_on(house: House) -> None:
    house.task("first")
    house.task("second", "answer")
    house.task("last", top='tune_first = ["first", "second"]')
    plan = house.plan()
    assert [work.head_from for work in tunings(plan)] == [None, None, None]
    assert len(house.run(plan)) == 3


def test_whether_a_head_goes_on_is_in_the_key(house: House) -> None:
    house.task("first")
    house.task("last", top='tune_first = ["first"]')
    (_, work) = tunings(house.plan())
    assert work.head_from == "first"
    assert work.ingredients() != work.model_copy(update={"head_from": None}).ingredients()
    # Trainings without a stage before them keep the keys they had.
    assert "head_from" not in work.model_copy(update={"head_from": None}).ingredients()


PROBLEMS = {
    "an unknown task": ('tune_first = ["frist"]', "tune_first: there is no task called 'frist'.", "'first'"),
    "itself": ('tune_first = ["last"]', "tune_first: a task cannot come before its own tuning.", ""),
    "what trains nothing": ('tune_first = ["tatoeba"]', "'tatoeba' is a retrieval task, which trains nothing.", ""),
    "no train data": (
        'tune_first = ["bare"]',
        "'bare' has no train data in the profile 'small' to train 'last' on first.",
        "",
    ),
}


@pytest.mark.parametrize("what", PROBLEMS)
def test_a_stage_that_cannot_come_before_is_told_with_its_line(house: House, what: str) -> None:
    top, says, hint = PROBLEMS[what]
    house.task("first")
    house.task("bare", data="dev")
    house.task("last", top=top)
    with pytest.raises(UsageError) as caught:
        house.plan()
    (problem,) = caught.value.problems
    assert problem.where.endswith("tasks/last.toml:5")
    assert says in problem.what
    assert hint in problem.hint


def test_nothing_can_come_before_a_target_that_is_tuned_on_nothing(house: House) -> None:
    house.task("first")
    text = 'name = "last"\ntitle = "last"\nadapter = "retrieval"\nmetric = "accuracy_tatoeba"\ntune_first = ["first"]\n'
    (house.root / "tasks" / "last.toml").write_text(f'{text}[data]\ntest = {{ file = "first.test.jsonl" }}\n')
    with pytest.raises(UsageError, match=r"last\.toml:5: tune_first: 'last' is tuned on nothing, so that nothing can"):
        house.plan()
