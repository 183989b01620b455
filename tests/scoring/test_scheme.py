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


ADDED = {"panx": "qu pl uk az lt pa gu ro", "udpos": "lt pl uk wo ro", "tatoeba": "az lt pl uk ro", "xquad": "ro"}
"""What XTREME_R_TASK2LANGS of google-research/xtreme evaluate.py (commit 838c13b) has beyond XTREME_TASK2LANGS."""
FIFTY = (
    "af ar az bg bn de el en es et eu fa fi fr gu he hi ht hu id it ja jv ka kk ko lt ml mr ms my nl pa pl pt qu ro ru "
    "sw ta te th tl tr uk ur vi wo yo zh"
)
"""XTREME-R's languages, as google-research/google-research mel/mewsli-x.md lists them."""


def test_xtreme_r_has_xtremes_languages_the_added_ones_and_together_the_papers_fifty():
    old, new = load_scheme("xtreme"), load_scheme("xtreme-r")
    for name in {*old.tasks} & {*new.tasks}:
        assert new.of(name).languages == (*old.of(name).languages, *ADDED.get(name, "").split()), name
    assert {code for name in new.tasks for code in new.of(name).languages} == set(FIFTY.split())


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
