"""Schemes: what ships is XTREME's definition, and a wrong file is told with its line."""

import pytest

from xharness.errors import UsageError
from xharness.metrics import metric
from xharness.score.scheme import load_scheme

# Languages per task: XTREME_TASK2LANGS and XTREME_R_TASK2LANGS of google-research/xtreme evaluate.py.
XTREME = {
    "xnli": 15,
    "pawsx": 7,
    "udpos": 33,
    "panx": 40,
    "xquad": 11,
    "mlqa": 7,
    "tydiqa": 9,
    "bucc2018": 4,
    "tatoeba": 36,
}
XTREME_R = {
    "xnli": 15, "xcopa": 11, "udpos": 38, "panx": 48, "xquad": 12, "mlqa": 7, "tydiqa": 9, "tatoeba": 41, "mewslix": 11,
    "lareqa": 11,
}  # fmt: skip


@pytest.mark.parametrize(("name", "counts"), [("xtreme", XTREME), ("xtreme-r", XTREME_R)])
def test_the_shipped_schemes_have_the_tasks_and_languages_of_the_benchmark(name, counts):
    scheme = load_scheme(name)
    assert {task: len(set(scheme.of(task).languages)) for task in scheme.tasks} == counts
    assert all(len(scheme.of(task).languages) == count for task, count in counts.items())
    assert all(metric(scheme.of(task).metric) for task in scheme.tasks)
    assert scheme.overall == "tasks"


def test_an_unknown_scheme_names_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'xtreme'"):
        load_scheme("xtrme")


def test_a_scheme_with_wrong_names_is_told_with_file_and_line(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('title = "Mine"\n[group.a]\ntitle = "A"\ntasks = ["xnli"]\n[task.xnl]\nmetric = "acuracy"\n')
    with pytest.raises(UsageError) as caught:
        load_scheme(str(file))
    said = str(caught.value)
    assert "mine.toml:5: task.xnl: is in no group" in said
    assert "Did you mean 'xnli'?" in said
    assert "mine.toml:6: task.xnl.metric: no metric is called 'acuracy'." in said


def test_a_scheme_is_found_beside_the_suite_that_names_it(tmp_path):
    (tmp_path / "mine.toml").write_text('title = "Mine"\n[group.a]\ntitle = "A"\ntasks = ["xnli"]\n')
    assert load_scheme("mine.toml", beside=tmp_path).title == "Mine"
