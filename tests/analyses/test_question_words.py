"""Question words of every language that has rules, by hand."""

from __future__ import annotations

import pytest

from xharness.analyses.slicing.questions import KINDS, OTHER, WORDS, question_word

ASKED = [
    ("en", "What did he say when he left?", "what"),
    ("en", "In which year did it end?", "which"),
    ("en", "To whom did she write?", "who"),
    ("en", "How many people live there?", "how many"),
    ("en", "How did it end?", "how"),
    ("en", "Is it high or low?", OTHER),
    ("en", "Whatever was it for?", OTHER),
    ("es", "¿Cuándo murió?", "when"),
    ("es", "¿Por qué se fue?", "why"),
    ("es", "¿En qué año nació?", "what"),
    ("es", "¿Cuántas personas viven allí?", "how many"),
    ("de", "In welchem Jahr starb König Sho Toku?", "which"),
    ("de", "Wann ist Prinz Albert gestorben?", "when"),
    ("de", "Wie viele Menschen leben dort?", "how many"),
    ("de", "Wofür ist es bekannt?", "what"),
    ("el", "Πότε πέθανε;", "when"),
    ("el", "Πού βρίσκεται;", "where"),
    ("el", "Ποιος το έγραψε;", "who"),
    ("el", "Πόσα άτομα ζουν εκεί;", "how many"),
    ("ru", "В каком году он умер?", "which"),
    ("ru", "Сколько людей там живёт?", "how many"),
    ("ru", "Как называется столица?", "how"),
    ("ru", "С кем она говорила?", "who"),
    ("tr", "İstanbul ne zaman kuruldu?", "when"),
    ("tr", "Başkent neresidir?", "where"),
    ("tr", "Kaç kişi yaşıyor?", "how many"),
    ("tr", "Kimya nedir?", "what"),
    ("ar", "من كتب الرواية؟", "who"),
    ("ar", "متى توفي الملك؟", "when"),
    ("ar", "في أي عام بدأت الحرب من أجل الاستقلال؟", "which"),
    ("ar", "كم عدد السكان من العرب؟", "how many"),
    ("ar", "ما هي عاصمة فرنسا؟", "what"),
    ("vi", "Ông ấy sinh khi nào?", "when"),
    ("vi", "Ai là người viết cuốn sách?", "who"),
    ("vi", "Có bao nhiêu người sống ở đó?", "how many"),
    ("vi", "Thành phố nào là thủ đô?", "which"),
    ("th", "เขาเกิดเมื่อไหร่", "when"),
    ("th", "ใครเป็นผู้เขียน", "who"),
    ("th", "มีคนกี่คน", "how many"),
    ("zh", "他什么时候去世的？", "when"),
    ("zh", "这座城市叫什么名字？", "what"),
    ("zh", "为什么他离开了？", "why"),
    ("zh", "有多少人住在那里？", "how many"),
    ("hi", "वह कब मर गया?", "when"),
    ("hi", "यह किताब किसने लिखी?", "who"),
    ("hi", "वहाँ कितने लोग रहते हैं?", "how many"),
    ("hi", "राजधानी कौन सी है?", "which"),
    ("fi", "Kuinka monta ihmistä siellä asuu?", "how many"),
    ("fi", "Milloin hän kuoli?", "when"),
    ("id", "Di mana ibu kota Indonesia?", "where"),
    ("id", "Siapakah presiden pertama?", "who"),
    ("sw", "Mji mkuu uko wapi?", "where"),
    ("ko", "수도는 어디인가?", "where"),
    ("ko", "누가 이 책을 썼는가?", "who"),
    ("bn", "তিনি কবে মারা যান?", "when"),
    ("te", "రాజధాని ఎక్కడ ఉంది?", "where"),
]


@pytest.mark.parametrize(("language", "question", "kind"), ASKED)
def test_a_question_word_is_found_in_its_language(language: str, question: str, kind: str) -> None:
    assert question_word({"language": language, "question": question}) == kind


def test_every_language_has_words_for_every_kind() -> None:
    assert all(len(kinds) == len(KINDS) and all(kinds) for kinds in WORDS.values())
    assert {language for language, *_ in ASKED} == set(WORDS)


def test_without_rules_or_question_there_is_no_value() -> None:
    assert question_word({"language": "ja", "question": "いつですか"}) is None
    assert question_word({"language": "en", "text": "no question"}) is None
