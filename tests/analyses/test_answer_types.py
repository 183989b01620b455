"""Answer types by rules, and measures of texts, by hand in every script."""

from __future__ import annotations

import pytest

from xharness.analyses.slicing.answers import answer_type, plain_digits, type_of
from xharness.analyses.slicing.corpus import distances, topics
from xharness.analyses.slicing.labels import values_of
from xharness.analyses.slicing.words import answer_length, overlap, words

TYPED = [
    ("en", "308", "number"),
    ("en", "seven", "number"),
    ("en", "£30m", "number"),
    ("en", "110 mph", "number"),
    ("en", "1,850", "number"),
    ("en", "1755", "date"),
    ("en", "May 18, 1756", "date"),
    ("en", "16th century", "date"),
    ("en", "may", "other"),
    ("en", "Denver Broncos", "name"),
    ("en", "Super Bowl 50", "name"),
    ("en", "University of Chicago", "name"),
    ("en", "on the ground", "other"),
    ("en", "solar", "other"),
    ("es", "siglo XVI", "date"),
    ("es", "cuatro", "number"),
    ("es", "el puerto", "other"),
    ("de", "1982 bis zu seinem Tod", "date"),
    ("de", "drei Millionen", "number"),
    ("de", "im August", "date"),
    ("el", "Σούζαν Φόρμαν", "name"),
    ("el", "18 Μαΐου 1756", "date"),
    ("el", "τρία", "number"),
    ("ru", "в мае 1990 года", "date"),
    ("ru", "Джон Леннон", "name"),
    ("ru", "три", "number"),
    ("tr", "on", "number"),
    ("tr", "18 Mayıs", "date"),
    ("ar", "١٩٨٢", "date"),
    ("ar", "٣٠٨", "number"),
    ("ar", "في أغسطس", "date"),
    ("ar", "الملك", "other"),
    ("hi", "१९४७", "date"),
    ("hi", "सात", "number"),
    ("hi", "राजा", "other"),
    ("vi", "tháng 5 năm 1756", "date"),
    ("vi", "Hà Nội", "name"),
    ("vi", "bảy", "number"),
    ("th", "พ.ศ. 2475", "date"),
    ("th", "๓๐๘", "number"),
    ("th", "สามคน", "number"),
    ("th", "พระราชา", "other"),
    ("zh", "1947年8月15日", "date"),
    ("zh", "三十", "number"),
    ("zh", "约翰·列侬", "name"),
    ("zh", "国王", "other"),
]


@pytest.mark.parametrize(("language", "answer", "kind"), TYPED)
def test_an_answer_has_its_type(language: str, answer: str, kind: str) -> None:
    assert type_of(answer, language) == kind


def test_digits_of_every_script_are_digits() -> None:
    assert plain_digits("१९४७ ١٩٨٢ ๒๔๗๕ 1947") == "1947 1982 2475 1947"


def test_an_unanswerable_question_has_neither_type_nor_length() -> None:
    without = {"language": "en", "answers": {"text": [], "answer_start": []}}
    assert (answer_type(without), answer_length(without)) == (None, None)


def test_words_hold_together_with_their_marks_and_unspaced_scripts_count_characters() -> None:
    assert words("यह किताब किसने लिखी?", "hi") == ["यह", "किताब", "किसने", "लिखी"]
    assert words("他在 London 吃飯", "zh") == ["他", "在", "london", "吃", "飯"]
    assert words("IĞDIR İzmir", "tr") == ["ığdır", "izmir"]


@pytest.mark.parametrize(
    ("language", "question", "context", "share"),
    [
        ("en", "Who sat there?", "The cat sat.", 1 / 3),
        ("zh", "谁坐着", "猫坐着。", 2 / 3),
        ("th", "ใครกิน", "แมวกิน", 2 / 5),
        ("ja", "誰が", "猫が", 1 / 2),
    ],
)
def test_overlap_is_the_share_of_question_words_in_the_context(
    language: str, question: str, context: str, share: float
) -> None:
    assert overlap({"language": language, "question": question, "context": context}) == pytest.approx(share)


ARMY, SEA = "army soldiers war battle general", "fish ship ocean waves sailor"


def contexts() -> dict[str, dict[str, dict[str, str]]]:
    made = {f"q{i}": f"{ARMY if i % 2 else SEA} word{i} other{i}" for i in range(12)}
    english = {name: {"id": name, "language": "en", "context": text} for name, text in made.items()}
    german = {name: {"id": name, "language": "de", "context": f"Wort {name}"} for name in [*made, "only"]}
    return {"en": english, "de": german}


def test_topics_part_what_speaks_of_other_things_and_follow_the_english_version() -> None:
    found = topics(contexts(), 2, 0)
    assert len({found["en"][f"q{i}"] for i in range(0, 12, 2)}) == 1
    assert found["en"]["q0"] != found["en"]["q1"]
    assert {name: found["de"][name] for name in found["en"]} == found["en"]
    assert "only" not in found["de"]
    assert topics(contexts(), 2, 0) == found


def test_a_language_apart_from_english_has_no_topic_and_its_own_distance_and_labels() -> None:
    held = contexts()
    assert topics(held, 2, 0, apart=["de"])["de"] == {}
    assert distances(held, [ARMY, f"{ARMY} retreat"], apart=["de"])["de"]["q1"] == pytest.approx(1.0)
    own = values_of(held, lambda example: example["language"], english=True, apart=["de"])
    assert set(own["de"].values()) == {"de"}


def test_too_few_contexts_have_no_topics() -> None:
    assert topics(contexts(), 12, 0) == {}


def test_a_context_of_the_corpus_own_words_is_nearer_to_it() -> None:
    found = distances(contexts(), [ARMY, f"{ARMY} retreat"])
    assert found["en"]["q1"] < 0.5 < found["en"]["q0"] == pytest.approx(1.0)
    assert found["de"]["q1"] == found["en"]["q1"]


def test_labels_may_be_those_of_the_english_version() -> None:
    held = {
        "en": {"a": {"language": "en", "answers": {"text": ["King John"]}}},
        "ar": {
            "a": {"language": "ar", "answers": {"text": ["الملك جون"]}},
            "b": {"language": "ar", "answers": {"text": ["٣٠٨"]}},
        },
    }
    assert values_of(held, answer_type, english=False)["ar"] == {"a": "other", "b": "number"}
    assert values_of(held, answer_type, english=True)["ar"] == {"a": "name", "b": "number"}
