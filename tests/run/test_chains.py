"""Chains of stages in a plan: what is shared, how rows are called, what the board says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xharness.board.footnotes import footnotes, outliers
from xharness.collect.cells import collect
from xharness.collect.fit import check_known
from xharness.errors import UsageError
from xharness.plan.plan import Plan
from xharness.plan.planner import Planner
from xharness.record import Record
from xharness.session.description import described
from xharness.spec.load import Loaded, load_suite
from xharness.steps.encode import Encode
from xharness.steps.tune import Tune

HEAD = 'title = "it"\nextends = "xtreme"\nscheme = ""\n'


def planned(folder: Path, text: str, rows: list[str], targets: str = '["xnli", "xquad"]') -> tuple[Loaded, Plan]:
    file = folder / "it.toml"
    file.write_text(f"{HEAD}[grid]\nintermediates = {rows}\ntargets = {targets}\n{text}".replace("'", '"'))
    loaded = load_suite(str(file), "micro")
    check_known(loaded)
    plan = Planner(loaded).plan(collect(loaded))
    assert not plan.blocked, plan.blocked
    return loaded, plan


def tunings(plan: Plan, row: str, target: str = "xnli") -> list[Tune]:
    """The trainings under a row's cell, in order."""
    return [s.work for s in plan.under(f"{row}->{target}[tiny-0]") if isinstance(s.work, Tune)]


def keys(plan: Plan, row: str, target: str = "xnli") -> list[str]:
    return [s.key for s in plan.under(f"{row}->{target}[tiny-0]") if isinstance(s.work, Tune)]


def test_chains_that_begin_alike_share_the_steps_they_share(tmp_path):
    text = """
[intermediate.a]
stages = ["mnli", "squad_v1"]
[intermediate.b]
stages = ["mnli", { tasks = ["qqp"], freeze = "embeddings" }]
[intermediate.c]
tasks = ["mnli"]
"""
    _, plan = planned(tmp_path, text, ["none", "mnli", "a", "b", "c"])
    assert [[t.task.name for t in work.tasks] for work in tunings(plan, "a")] == [["mnli"], ["squad_v1"], ["mnli"]]
    assert keys(plan, "a")[0] == keys(plan, "b")[0] == keys(plan, "c")[0] == keys(plan, "mnli")[0]
    assert keys(plan, "a")[1] != keys(plan, "b")[1]
    assert tunings(plan, "a")[1].parent == keys(plan, "a")[0]
    assert tunings(plan, "b")[1].recipe.freeze == "embeddings"
    assert keys(plan, "c")[1] == keys(plan, "mnli")[1]
    # Stages of one task at one length read one encoded split.
    encodes = [s for s in plan.steps.values() if isinstance(s.work, Encode) and s.work.task.name == "mnli"]
    assert len(encodes) == 2


def test_whatever_reads_kept_low_rank_weights_needs_what_they_belong_on(tmp_path):
    stage = '{ tasks = ["mnli"], lora = { keep = true } }'
    text = f"""
[intermediate.kept]
stages = ["qqp", {stage}, {stage.replace("mnli", "squad_v1")}]
[intermediate.merged]
stages = ["qqp", {stage.replace("true", "false")}]
"""
    _, plan = planned(tmp_path, text, ["kept", "merged"], '["xnli", "tatoeba"]')
    first, second, third, _ = keys(plan, "kept")
    last = plan.steps[plan.ends["kept->xnli[tiny-0]"]]
    assert {third, second, first} <= {*plan.steps[keys(plan, "kept")[3]].needs}
    assert second not in last.needs  # The target's own tuning is whole.
    embed = next(s for s in plan.under("kept->tatoeba[tiny-0]") if s.work.KIND == "embed")
    assert {third, second, first} <= {*embed.needs}
    below, alone, _ = keys(plan, "merged")
    assert below not in plan.steps[keys(plan, "merged")[2]].needs
    assert alone in plan.steps[keys(plan, "merged")[2]].needs


def test_a_mixture_is_an_intermediate_of_one_stage(tmp_path):
    text = """
[mixture.old]
tasks = ["mnli", "qqp"]
cap = 300
recipe = { epochs = 1 }
[intermediate.new]
tasks = ["mnli", "qqp"]
sampling = { cap = 300 }
recipe = { epochs = 1 }
"""
    _, plan = planned(tmp_path, text, ["old", "new"])
    assert keys(plan, "old") == keys(plan, "new")


def test_several_sizes_are_several_rows(tmp_path):
    text = """
[intermediate.sized]
tasks = ["mnli"]
size = [100, 400, 1.0]
[intermediate.long]
stages = ["qqp", { tasks = ["mnli"], size = [100, 0.5] }]
"""
    loaded, plan = planned(tmp_path, text, ["none", "sized", "long@0.5"])
    assert loaded.intermediates == ("none", "sized@100", "sized@400", "sized@1.0", "long@0.5")
    assert [tunings(plan, row)[0].tasks[0].size for row in loaded.intermediates[1:4]] == [100, 400, 1.0]
    assert tunings(plan, "long@0.5")[1].tasks[0].size == 0.5
    assert len({keys(plan, row)[0] for row in loaded.intermediates[1:4]}) == 3
    assert len({tunings(plan, row)[0].tasks[0].train for row in loaded.intermediates[1:4]}) == 1
    facts = described(loaded, collect(loaded), ())
    assert facts["rows"]["sized@400"]["size"] == 400
    assert facts["titles"]["sized@400"] == "sized, 400 examples"
    assert facts["titles"]["sized@1.0"] == "sized, all examples"


def test_a_target_can_be_tuned_in_other_languages_and_the_board_says_so(tmp_path):
    text = """
[target.panx]
languages = ["en", "de"]
recipe = { epochs = 1 }
[intermediate.german]
tasks = ["panx"]
languages = ["de"]
"""
    loaded, plan = planned(tmp_path, text, ["none", "german"], '["panx", "xquad"]')
    (work,) = tunings(plan, "none", "panx")
    assert work.tasks[0].task.languages == ("en", "de")
    assert work.recipe.epochs == 1
    assert tunings(plan, "german", "xquad")[0].tasks[0].task.languages == ("de",)
    cells = [{"name": c.name, "target": c.target} for c in collect(loaded)]
    notes = footnotes({**described(loaded, collect(loaded), ()), "cells": cells})
    assert "PAN-X is tuned in en, de: not zero-shot in these languages" in notes
    assert "german is trained in de" in notes


def test_states_are_compared_where_the_stage_says(tmp_path):
    text = """
[intermediate.chosen]
tasks = ["mnli"]
select_on = "xnli_dev"
recipe = { evaluations = 2, select = "best" }
"""
    task = (Path(load_suite("xtreme").path).parent / "tasks" / "xnli.toml").read_text()
    task = task.replace('name = "xnli"', 'name = "xnli_dev"').replace("[profile.micro]", (
        '[profile.micro]\ndata.dev = { builtin = "xnli", split = "dev", size = 50, seed = 9 }'))  # fmt: skip
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "xnli_dev.toml").write_text(task)
    _, plan = planned(tmp_path, text, ["chosen"])
    (work, _) = tunings(plan, "chosen")
    assert work.select_on is not None
    assert (work.select_on.task.name, work.select_on.head) == ("xnli_dev", "mnli")
    assert work.select_on.dev in [s.key for s in plan.under("chosen->xnli[tiny-0]")]


def test_what_cannot_share_or_speak_is_refused_before_anything_is_planned(tmp_path):
    text = '[intermediate.two]\ntasks = ["mnli", "squad_v1"]\nshare_head = true\n'
    with pytest.raises(UsageError, match="One head is for one adapter"):
        planned(tmp_path, text, ["two"])


def record(seed: int, value: float) -> Record:
    return Record(
        cell=f"none->t[c-{seed}]", checkpoint="c", intermediate="none", target="t", seed=seed, language="en",
        metric="accuracy", value=value, n=100, key="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "told"),
    [((80, 81, 82, 60), ["60.0"]), ((80, 81, 82, 79), []), ((80, 80, 80, 84), []), ((80, 60), []), ((70, 80, 90), [])],
)
def test_a_seed_that_stands_apart_is_told(values, told):
    run: dict[str, Any] = {
        "targets": ["t"], "seeds": list(range(len(values))), "languages_selected": {},
        "cells": [{**record(seed, 0).as_json(), "name": f"none->t[c-{seed}]"} for seed in range(len(values))],
        "tasks": {"t": {"languages": ["en"], "metric": "accuracy", "title": "T"}},
        "intermediates": ["none"], "checkpoints": {"c": {}},
    }  # fmt: skip
    found = outliers(run, [record(seed, value) for seed, value in enumerate(values)])
    assert [note.split()[3].rstrip(",") for note in found] == told


def test_language_modelling_without_a_head_is_refused_before_anything_is_trained(tmp_path):
    text = (Path(load_suite("xtreme").path).parent / "tasks" / "mlm.toml").read_text()
    (tmp_path / "tasks").mkdir()
    text = text.replace('name = "mlm"', 'name = "own_head"').replace("fresh_head = true", "fresh_head = false")
    (tmp_path / "tasks" / "own_head.toml").write_text(text)
    file = tmp_path / "it.toml"
    file.write_text(HEAD + '[grid]\nintermediates = ["own_head", "mlm"]\ntargets = ["xnli"]\n')
    loaded = load_suite(str(file), "micro")
    plan = Planner(loaded).plan(collect(loaded))
    assert list(plan.blocked) == ["own_head->xnli[tiny-0]"]
    (said,) = plan.blocked.values()
    assert "was saved as BertModel, without a head for masked language modelling" in said
    assert "options.fresh_head = true" in said


def test_check_tells_a_size_above_the_data(tmp_path):
    from xharness.session.soundness import check_suite

    file = tmp_path / "it.toml"
    file.write_text(
        HEAD + '[intermediate.sized]\ntasks = ["mnli"]\nsize = [100, 4000]\n'
        '[intermediate.matched]\ntasks = ["xnli_translate"]\nlanguages = ["de", "es"]\n'
        'amount = "matched"\nsize = 1501\n'
        '[intermediate.both]\ntasks = ["xnli_translate"]\nlanguages = ["de", "es"]\nsize = 1501\n'
        '[grid]\nintermediates = ["sized", "matched", "both"]\ntargets = ["xnli"]\n'
    )
    told = [str(problem) for problem in check_suite(load_suite(str(file), "micro")).data]
    assert len(told) == 2
    assert "it.toml:6" in told[0]
    assert "sized.size: is more than the 1,500 train examples of 'mnli'" in told[0]
    assert "matched.size: is more than the 1,500 train examples of 'xnli_translate'" in told[1]
