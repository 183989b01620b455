"""The page of an analysis: text of suites and data as it stands, numbers as everywhere."""

from __future__ import annotations

from pathlib import Path

from xharness.analysis import Answer, Table
from xharness.session.answers import Answered, write_answer
from xharness.spec.suite import AnalysisOf


def test_titles_and_words_of_the_data_are_no_markup_on_a_page(tmp_path: Path) -> None:
    rows = (("A|B", -0.0004, 12.25), ("<i>", -0.0, 12.250000000000007))
    table = Table("gains", "Gain on <sport>", ("row", "gain", "score"), rows)
    answer = Answer(("Topics & <sport>_100% gains 1 < 2, R&amp;D.",), (table,), notes=("`none` has *one* seed",))
    asked = AnalysisOf(name="gains", kind="gains", title="A <b> of C")
    page, csv = write_answer(Answered(asked, answer), "My *suite*", "a <note>", tmp_path)
    said = page.read_text(encoding="utf-8")
    assert said.startswith("# A \\<b> of C\n\n*My \\*suite\\** — a \\<note>\n")
    assert "Topics & \\<sport>_100% gains 1 < 2, R\\&amp;D." in said
    assert "## Gain on \\<sport>" in said
    assert "| A\\|B | 0.000 | 12.2 |\n| \\<i> | 0.000 | 12.2 |" in said
    assert "- `none` has \\*one\\* seed" in said
    assert csv.read_text(encoding="utf-8").startswith("row,gain,score\nA|B,-0.0004,12.25\n<i>,-0.0,")
