"""Tag sequences: XTREME's chunk rule, seqeval's entities, token accuracy."""

import random
import warnings
from itertools import groupby

import pytest

from xharness.errors import DataError
from xharness.metrics import metric
from xharness.score.scheme import load_scheme

UPOS = load_scheme("xtreme").of("udpos").labels
IOB2 = load_scheme("xtreme").of("panx").labels


def values(name, predictions, references):
    found = metric(name)
    return {k: float(v) for k, v in found.values(found.outcomes(predictions, references, "en").sum(axis=0)).items()}


def noisy(generator, tags, share):
    gold = [[generator.choice(tags) for _ in range(generator.randint(1, 15))] for _ in range(generator.randint(1, 8))]
    guess = [[t if generator.random() < share else generator.choice(tags) for t in sentence] for sentence in gold]
    return guess, gold


def runs(sentences):
    """Another way to the rule for bare tags: runs of one tag over the whole file, S-tags always alone."""
    flat = [tag for sentence in sentences for tag in (*sentence, None)]
    chunks, start = set(), 0
    for tag, run in groupby(flat):
        length = len(list(run))
        if tag is not None and tag.startswith("S"):
            chunks |= {(tag, i, i) for i in range(start, start + length)}
        elif tag is not None:
            chunks.add((tag, start, start + length - 1))
        start += length
    return chunks


def test_f1_xtreme_equals_counting_runs_of_tags():
    generator = random.Random(7)
    for _ in range(1000):
        guess, gold = noisy(generator, generator.sample(UPOS, generator.randint(2, 17)), generator.random())
        ours, theirs = runs(guess), runs(gold)
        expected = 200 * len(ours & theirs) / (len(ours) + len(theirs))
        assert values("f1_xtreme", guess, gold)["f1"] == pytest.approx(expected, abs=1e-10)


# (gold, predicted, chunks of gold, chunks of prediction, correct), from seqeval 0.0.12's get_entities.
OLD_SEQEVAL = [
    (["CCONJ"], ["SCONJ"], 1, 1, 0),
    (["NOUN", "NOUN", "VERB"], ["NOUN", "VERB", "VERB"], 2, 2, 0),
    (["NOUN", "NOUN", "VERB"], ["NOUN", "PROPN", "VERB"], 2, 3, 1),
    (["SYM", "SYM"], ["SYM", "X"], 2, 2, 1),
    (["SCONJ", "SCONJ", "SCONJ"], ["SCONJ", "SCONJ", "SCONJ"], 3, 3, 3),
    (["INTJ", "INTJ"], ["INTJ", "INTJ"], 1, 1, 1),
    (["X", "X", "_", "_"], ["X", "X", "_", "X"], 2, 3, 1),
    (["O", "O", "NOUN"], ["O", "NOUN", "NOUN"], 1, 1, 0),
    (["B-PER", "I-PER", "I-LOC"], ["B-PER", "I-PER", "B-LOC"], 2, 2, 2),
    (["B-NOUN", "B-NOUN"], ["B-NOUN", "I-NOUN"], 2, 1, 0),
]


@pytest.mark.parametrize(("gold", "guess", "in_gold", "in_guess", "correct"), OLD_SEQEVAL)
def test_f1_xtreme_counts_chunks_as_the_old_seqeval(gold, guess, in_gold, in_guess, correct):
    assert metric("f1_xtreme").outcomes([guess], [gold], "en").tolist() == [[correct, in_guess, in_gold]]


def test_the_two_conjunctions_differ_in_f1_xtreme_although_todays_seqeval_merges_them():
    from seqeval.metrics import f1_score

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert f1_score([["CCONJ"]], [["SCONJ"]]) == 1.0
    assert values("f1_xtreme", [["SCONJ"]], [["CCONJ"]])["f1"] == 0.0


def test_a_chunk_never_crosses_sentences():
    table = metric("f1_xtreme").outcomes([["NOUN"], ["NOUN"]], [["NOUN"], ["NOUN"]], "en")
    assert table.sum(axis=0).tolist() == [2, 2, 2]


def test_random_errors_cost_more_f1_than_accuracy():
    generator = random.Random(3)
    sentence = "DET ADJ NOUN VERB ADP DET NOUN NOUN PUNCT CCONJ PRON AUX ADV VERB PROPN PROPN PUNCT"
    gold = [sentence.split()] * 300
    guess = [[generator.choice(UPOS) if generator.random() < 0.2 else tag for tag in tags] for tags in gold]
    accuracy = values("accuracy_token", guess, gold)["accuracy"]
    assert 75 < accuracy < 90
    assert values("f1_xtreme", guess, gold)["f1"] < accuracy - 1


def test_f1_entity_equals_seqeval_to_the_last_bit():
    from seqeval.metrics import f1_score, precision_score, recall_score

    generator = random.Random(11)
    for _ in range(300):
        guess, gold = noisy(generator, IOB2, generator.random())
        found = values("f1_entity", guess, gold)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert found["f1"] == 100 * f1_score(gold, guess)
            assert found["precision"] == 100 * precision_score(gold, guess)
            assert found["recall"] == 100 * recall_score(gold, guess)


def test_accuracy_token_counts_words_not_sentences():
    assert values("accuracy_token", [["X"], ["X", "X", "X"]], [["NOUN"], ["X", "X", "X"]])["accuracy"] == 75


@pytest.mark.parametrize("name", ["f1_entity", "f1_xtreme", "accuracy_token"])
def test_a_sentence_with_a_tag_too_few_is_an_error_that_names_it(name):
    with pytest.raises(DataError, match="sentence 1: 1 predictions for 2 references"):
        metric(name).outcomes([["O"], ["O"]], [["O"], ["O", "O"]], "en")
