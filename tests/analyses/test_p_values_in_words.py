"""P-values as people read them: never 0, never on the other side of 0.05; and tests without a chance say so."""

import numpy as np
import pytest
from planted_languages import exactly, study

from xharness.analyses.gains import Gains
from xharness.analyses.gains import Options as GainOptions
from xharness.analyses.slicing.cases import Gain
from xharness.analyses.slicing.pages import Sliced, words_of
from xharness.analyses.transfer_loss import Options as LossOptions
from xharness.analyses.transfer_loss import TransferLoss
from xharness.score.compare import Comparison, Difference, Settings, corrected_together
from xharness.score.rounding import p_in_column, p_in_words
from xharness.score.statistics import reach_words
from xharness.session.answers import column_texts


@pytest.mark.parametrize(
    ("p", "words", "column"),
    [
        (0.0002, "0.00020", "0.00020"), (0.0312, "0.031", "0.031"), (0.0499, "0.0499", "0.0499"),
        (0.04999, "0.04999", "0.04999"), (0.0502, "0.0502", "0.0502"), (0.05, "0.050", "0.050"), (1.0, "1.0", "1.000"),
        (0.8312, "0.83", "0.831"),
    ],
)  # fmt: skip
def test_a_p_value_is_neither_0_nor_on_the_other_side_of_the_level(p, words, column):
    assert (p_in_words(p), p_in_column(p, 3)) == (words, column)
    assert column_texts([p, 0.5, None]) == [column, "0.500", ""]


def test_what_rounds_to_zero_is_zero_without_a_sign():
    assert column_texts([-0.0001, 0.2]) == ["0.000", "0.200"]
    assert column_texts([-0.01, 2.0]) == ["0.0", "2.0"]


def test_a_sentence_that_calls_a_slice_sure_shows_a_p_value_below_the_level():
    gains = {name: Gain(30, 30, 50, 50 + gain, gain - 1, gain + 1, 0.0002) for name, gain in (("a", 1), ("b", 5))}
    said = words_of([Sliced("tiny", "up", "X", "topic", gains, ("a", "b"), 0.0498)])
    assert "(p = 0.0498;" in said[0]


def test_tests_that_no_difference_could_pass_say_so(tmp_path):
    rows = {"none": 0.1, "one": 0.9, "two": 0.9, "three": 0.9}
    made = study(tmp_path, {(row, "x"): exactly({"en": chance, "de": chance}) for row, chance in rows.items()})
    words = "With 100 resamples none of 3 tests can be significant after Holm's correction"
    assert words in " ".join(Gains().answer(made, GainOptions(resamples=100)).sentences)
    assert words in " ".join(TransferLoss().answer(made, LossOptions(resamples=100)).sentences)
    assert "can be significant" not in " ".join(Gains().answer(made, GainOptions(resamples=200)).sentences)
    assert reach_words(100, 2000, 1, "rounds") == ()
    assert "With 2,000 rounds none of 101 tests" in reach_words(101, 2000, 1, "rounds")[0]


@pytest.mark.parametrize(("each", "told"), [(4, True), (1, False)])
def test_comparisons_of_one_table_say_so_together(each, told):
    """Each by itself could be significant; corrected over all of them none can."""
    lines = tuple(Difference("language", "x", str(i), p=2 / 201) for i in range(each))
    one = Comparison("none", "up", lines, Settings(resamples=200), ())
    found = corrected_together([one, one])
    assert any("none of all 8 languages can be significant" in words for words in found[0].words) is told
    assert np.all([line.significant() is not told for line in found[0].lines])
