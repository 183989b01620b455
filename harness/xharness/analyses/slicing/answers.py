"""Answer types by rules: number, date, name or other, from the characters of the gold answer.

Rules of this kind are coarse. On XQuAD's 1,190 parallel answers 88 to 100 % of the English numbers and dates are found
in each of its other ten languages, and 89 to 97 % of what is found is one in English, too. Names are known by their
capitals, so in scripts without capitals (Arabic, Devanagari, Thai, Han, Hangul) a name is `other`; in German, whose
nouns have capitals, a noun alone is a `name`. `labels = "english"` of the slices takes the English version's type for
all languages of a parallel target.
"""

from __future__ import annotations

import re
import unicodedata

from xharness.adapter import Example
from xharness.analyses.slicing.words import UNSPACED, answer_of, folded, runs

TYPES = ("number", "date", "name", "other")

_MONTHS = """
january february march april may june july august september october november december
enero febrero marzo abril mayo junio julio agosto septiembre setiembre octubre noviembre diciembre
januar jänner februar märz mai juni juli oktober dezember
ιανουάριος ιανουαρίου φεβρουάριος φεβρουαρίου μάρτιος μαρτίου απρίλιος απριλίου μάιος μαΐου ιούνιος ιουνίου ιούλιος
ιουλίου αύγουστος αυγούστου σεπτέμβριος σεπτεμβρίου οκτώβριος οκτωβρίου νοέμβριος νοεμβρίου δεκέμβριος δεκεμβρίου
ιανουάριο φεβρουάριο μάρτιο απρίλιο μάιο ιούνιο ιούλιο αύγουστο σεπτέμβριο οκτώβριο νοέμβριο δεκέμβριο
январь января январе февраль февраля феврале март марта марте апрель апреля апреле май мая мае июнь июня июне июль июля
июле август августа августе
сентябрь сентября сентябре октябрь октября октябре ноябрь ноября ноябре декабрь декабря декабре
ocak şubat mart nisan mayıs haziran temmuz ağustos eylül ekim kasım aralık
يناير فبراير مارس أبريل ابريل مايو يونيو يوليو أغسطس اغسطس سبتمبر أكتوبر اكتوبر نوفمبر ديسمبر
जनवरी फरवरी मार्च अप्रैल मई जून जुलाई अगस्त सितंबर सितम्बर अक्टूबर अक्तूबर नवंबर नवम्बर दिसंबर दिसम्बर
tammikuu* helmikuu* maaliskuu* huhtikuu* toukokuu* kesäkuu* heinäkuu* elokuu* syyskuu* lokakuu* marraskuu* joulukuu*
januari februari maret mei juli agustus oktober desember machi aprili juni julai agosti septemba oktoba novemba desemba
"""
_AMBIGUOUS = frozenset({"may", "march", "mayo", "mart", "май", "март", "ocak", "ekim", "aralık", "mai", "nisan", "मई"})
"""Words beside the month: a date only with a digit."""
_SPANS = """
century centuries siglo siglos jahrhundert* αιώνα αιώνας αιώνες век века веке веков yüzyıl* القرن قرن शताब्दी सदी
"""
_UNSPACED_DATES = re.compile(r"\d+\s*年(?!前)|\d+\s*月|世纪|世紀|年代|ศตวรรษ|พ\.ศ\.|ค\.ศ\.|มกราคม|กุมภาพันธ์|มีนาคม"
                             r"|เมษายน|พฤษภาคม|มิถุนายน|กรกฎาคม|สิงหาคม|กันยายน|ตุลาคม|พฤศจิกายน|ธันวาคม")  # fmt: skip
_VIETNAMESE = re.compile(r"tháng (\d|một|hai|ba|tư|năm|sáu|bảy|tám|chín|mười)|năm \d{3,4}|thế kỷ")
_YEAR = re.compile(r"(?<![\d.,/$€£¥])(1\d{3}|20\d\d)(?!\d|[.,]\d)")
_NUMERALS = frozenset("〇零一二两三四五六七八九十百千万亿幾几%％第个個")
_NUMBERS: dict[str, str] = {
    "en": "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen twenty "
    "thirty forty fifty hundred hundreds thousand thousands million millions billion zero half third twice",
    "es": "uno una dos tres cuatro cinco seis siete ocho nueve diez once doce trece veinte treinta cien cientos mil "
    "millones cero mitad tercero tercera tercer",
    "de": "eins ein eine zwei drei vier fünf sechs sieben acht neun zehn elf zwölf zwanzig hundert hunderte tausend "
    "tausende millionen null",
    "el": "ένα ένας μία δύο τρία τρεις τέσσερα τέσσερις πέντε έξι επτά εφτά οκτώ οχτώ εννέα εννιά δέκα έντεκα δώδεκα "
    "είκοσι εκατό εκατοντάδες χιλιάδες εκατομμύρια τρίτο τρίτη τρίτος",
    "ru": "один одна два две двух три трех трёх четыре четырех пять пяти шесть шести семь семи восемь девять десять "
    "одиннадцать двенадцать двадцать сто сотни тысяча тысяч тысячи миллион миллиона третье третий третья",
    "tr": "bir iki üç dört beş altı yedi sekiz dokuz on yirmi yüz yüzlerce bin binlerce milyon üçüncü",
    "ar": "واحد واحدة اثنان اثنين اثنتان ثلاثة ثلاث أربعة أربع خمسة خمس ستة ست سبعة سبع ثمانية ثماني تسعة تسع عشرة عشر "
    "مائة مئات آلاف مليون ثالث",
    "hi": "एक दो तीन चार पांच पाँच छह छः सात आठ नौ दस ग्यारह बारह बीस सौ सैकड़ों हजार हज़ार हजारों लाख करोड़ तीसरा तीसरी",
    "vi": "một hai ba bốn năm sáu bảy bay tám chín mười trăm nghìn ngàn triệu tỷ",
    "fi": "yksi kaksi kolme neljä viisi kuusi seitsemän kahdeksan yhdeksän kymmenen sata tuhat",
    "id": "satu dua tiga empat lima enam tujuh delapan sembilan sepuluh ratusan ribu juta",
    "sw": "moja mbili tatu nne tano sita saba nane tisa kumi mia elfu",
}
"""Language -> words that begin a number."""
_THAI_NUMBERS = re.compile(r"(ศูนย์|หนึ่ง|สอง|สาม|สี่|ห้า|หก|เจ็ด|แปด|เก้า|สิบ|ร้อย|พัน|หมื่น|แสน|ล้าน|คน|ครั้ง|ปี|%|\s)+")
_CURRENCY = "$€£¥₹~≈<>+-−–(≥≤±"
MOST = 4
"""Words of a number that does not begin with a digit."""
_SHORT = 4
"""Longest small word in a name: von, de la, of."""


def answer_type(example: Example) -> str | None:
    """The type of a question's first gold answer; None where there is none."""
    answer = answer_of(example)
    return None if answer is None else type_of(answer, example["language"])


def type_of(answer: str, language: str) -> str:
    """One of `TYPES`."""
    text = plain_digits(unicodedata.normalize("NFKC", answer)).strip()
    held = runs(folded(text, language))
    if _is_date(text, held, language):
        return "date"
    if _is_number(text, held, language):
        return "number"
    if _is_name(text, language):
        return "name"
    return "other"


def plain_digits(text: str) -> str:
    """A text with the digits of every script as 0 to 9."""
    return "".join(str(unicodedata.decimal(c, c)) for c in text)


def _listed(words: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """Words, and beginnings of words."""
    every = [unicodedata.normalize("NFC", w) for w in words.split()]
    # As the answers are folded: a final sigma becomes a small one.
    plain = {folded(w) for w in every if not w.endswith("*")}
    return frozenset(plain), tuple(folded(w[:-1]) for w in every if w.endswith("*"))


def _any(held: list[str], listed: tuple[frozenset[str], tuple[str, ...]]) -> set[str]:
    whole, beginnings = listed
    return {word for word in held if word in whole or (beginnings and word.startswith(beginnings))}


MONTHS, SPANS = _listed(_MONTHS), _listed(_SPANS)
NUMBERS = {language: _listed(words)[0] for language, words in _NUMBERS.items()}


def _is_date(text: str, held: list[str], language: str) -> bool:
    digits = any(c.isdigit() for c in text)
    if _YEAR.search(text) and not any(sign in text for sign in "%$€£¥"):
        return True
    if language in UNSPACED:
        return bool(_UNSPACED_DATES.search(text))
    if language == "vi":
        return bool(_VIETNAMESE.search(folded(text)))
    months = _any(held, MONTHS)
    if months and (digits or (not months <= _AMBIGUOUS and len(held) <= 3)):
        return True
    return bool(_any(held, SPANS)) and (digits or len(held) <= 4)


def _is_number(text: str, held: list[str], language: str) -> bool:
    if not held:
        return False
    bare = text.lstrip(_CURRENCY + " ")
    if bare[:1].isdigit():
        return True
    if any(c.isdigit() for c in text):
        return not text[:1].isupper() and (len(held) <= MOST or language in UNSPACED)
    if all(c in _NUMERALS for run in held for c in run) or _THAI_NUMBERS.fullmatch(text):
        return True
    return len(held) <= MOST and held[0] in NUMBERS.get(language, ())


def _is_name(text: str, language: str) -> bool:
    found = runs(text)
    if not any(unicodedata.category(c) in ("Lu", "Lt") for c in text):
        # Chinese joins the parts of a foreign name by a point, and puts titles into brackets.
        return language == "zh" and ("·" in text or "《" in text)
    if language in UNSPACED:
        return all(run.isascii() for run in found)
    long = [run for run in found if len(run) > _SHORT] or found
    return all(run[0].isupper() or run[0].isdigit() for run in long) and (found[0][0].isupper() or len(found) > 1)
