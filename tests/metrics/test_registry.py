"""The registry: every name resolves to the metric of that name, and nothing heavy is imported for it."""

import subprocess
import sys

import pytest

from xharness.errors import UsageError
from xharness.metrics import installed_metrics, metric


@pytest.mark.parametrize("name", [name for name in installed_metrics() if not name.endswith("_at_K")])
def test_every_name_resolves_to_the_metric_of_that_name(name):
    found = metric(name)
    assert found.name == name
    assert found.source
    if found.by_example:
        assert found.outcomes([], [], "en").shape == (0, len(found.parts))


@pytest.mark.parametrize(("name", "value"), [("recall_at_5", "recall@5"), ("map_at_100", "map@100")])
def test_ranking_metrics_exist_for_any_k(name, value):
    assert metric(name).headline == (value,)


@pytest.mark.parametrize(
    ("wrong", "meant"), [("f1_xtrem", "f1_xtreme"), ("acuracy", "accuracy"), ("map_at_0", "map_at_")]
)
def test_an_unknown_metric_names_the_nearest(wrong, meant):
    with pytest.raises(UsageError, match=f"'{meant}"):
        metric(wrong)


def test_resolving_every_metric_imports_no_heavy_library():
    code = (
        "import sys; from xharness.metrics import installed_metrics, metric;"
        "[metric(n.replace('_at_K', '_at_3')) for n in installed_metrics()];"
        "heavy = {'torch', 'seqeval', 'sklearn', 'mteb', 'scipy', 'pandas', 'pydantic'};"
        "print(sorted({m.split('.')[0] for m in sys.modules} & heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
