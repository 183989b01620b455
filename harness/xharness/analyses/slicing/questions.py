"""Question words: what a question asks for, by the words that its language asks with.

The earliest question word of a question counts, the longer one of two at one place (`how many` before `how`). Some
languages ask at no fixed place, so the whole question is searched in all of them. A word that is often something else
(Arabic «من», who or from) counts at the beginning, and anywhere only where there is no other.
"""

from __future__ import annotations

from xharness.adapter import Example
from xharness.analyses.slicing.words import UNSPACED, folded, runs

KINDS = ("what", "which", "who", "when", "where", "why", "how", "how many")
OTHER = "none found"

WORDS: dict[str, tuple[str, ...]] = {
    "en": (
        "what", "which", "who whom whose", "when", "where", "why", "how",
        "how_many how_much how_long how_old how_far how_often how_large how_big how_tall",
    ),
    "es": (
        "qué", "cuál cuáles", "quién quiénes", "cuándo", "dónde adónde", "por_qué", "cómo",
        "cuánto cuánta cuántos cuántas",
    ),
    "de": (
        "was womit wofür wodurch woran worauf woraus worin worüber wovon wozu wogegen wonach worum", "welch*",
        "wer wen wem wessen", "wann", "wo woher wohin", "warum weshalb wieso weswegen", "wie",
        "wie_viel* wieviel* wie_lange wie_oft wie_alt wie_groß wie_hoch wie_weit",
    ),
    "el": (
        "τι τίνος", "ποια ποιο ποιες ποιας ποιων ποιά ποιό", "ποιος ποιοι ποιον ποιου ποιους ποιός ποιανού ποιανής",
        "πότε", "πού", "γιατί", "πώς", "πόσ*",
    ),
    "ru": (
        "что чего чему чем чём", "како* каки* каку* кака* котор*",
        "кто кого кому кем ком чей чья чьё чье чьи чью чьего чьей",
        "когда", "где куда откуда", "почему зачем отчего", "как насколько", "сколько скольк*",
    ),
    "tr": (
        "ne nedir neyi neye neyin nelerdir neler neyle neydi neyden neyin", "hangi*",
        "kim kime kimi kimin kimdir kimden kimle kimler kimlerdir kimlere kimlerin kimdi kimlerden", "ne_zaman",
        "nerede nereye nereden neresi neresidir nerededir nereli nerelerde", "neden niçin niye", "nasıl nasıldır",
        "kaç kaçta kaçtır kaçıncı kaçı kaçını ne_kadar ne_kadardır",
    ),
    "ar": (
        "ماذا بماذا بم مما عماذا ما_هو ما_هي ما_الذي ما_التي", "أي أية أى بأي لأي وأي اي أيا أيهما أيّ أيّة أيٍّ",
        "لمن ممن بمن من_هو من_هي من_الذي من_كان", "متى", "أين اين", "لماذا", "كيف", "كم بكم",
    ),
    "vi": (
        "gì", "nào", "ai", "khi_nào bao_giờ lúc_nào năm_nào ngày_nào", "ở_đâu đâu nơi_nào", "tại_sao vì_sao",
        "như_thế_nào thế_nào bằng_cách_nào làm_thế_nào ra_sao làm_sao", "bao_nhiêu mấy bao_lâu bao_xa",
    ),
    "th": (
        "อะไร", "ใด ไหน", "ใคร", "เมื่อไหร่ เมื่อไร เมื่อใด ปีใด ปีไหน", "ที่ไหน ที่ใด แห่งใด", "ทำไม เหตุใด เพราะอะไร",
        "อย่างไร ยังไง เช่นไร", "กี่ เท่าไหร่ เท่าไร เท่าใด",
    ),
    "zh": (
        "什么 什麼 何种 啥", "哪", "谁 誰 何人", "什么时候 什麼時候 何时 何時 哪年 哪一年 哪天 哪一天 什么时间",
        "哪里 哪裡 哪儿 何处 何地 在哪 什么地方", "为什么 為什麼 为何 為何 为啥", "怎么 怎麼 怎样 怎樣 如何",
        "多少 几个 几年 几次 几位 几名 几岁 几场 几种 第几 多大 多长 多久 多远 多高 多重",
    ),
    "hi": (
        "क्या", "किस किन किनकी किसलिए कौन_सा कौन_सी कौन_से कौनसा कौनसी कौनसे",
        "कौन किसने किसे किसको किसका किसकी किसके किन्होंने किन्हें",
        "कब", "कहाँ कहां", "क्यों", "कैसे कैसा कैसी", "कितना कितने कितनी",
    ),
    "fi": (
        "mikä mitä minkä mitkä", "kumpi millainen mihin missäpäin", "kuka ketkä ketä kenen kenelle", "milloin koska",
        "missä mistä minne", "miksi", "miten kuinka", "kuinka_monta kuinka_paljon kuinka_moni montako",
    ),
    "id": (
        "apa apakah", "mana manakah", "siapa siapakah", "kapan kapankah", "di_mana dimana dimanakah di_manakah kemana",
        "mengapa kenapa", "bagaimana bagaimanakah", "berapa berapakah",
    ),
    "sw": ("nini", "gani ipi yupi lipi", "nani", "lini", "wapi", "kwa_nini kwanini", "vipi", "ngapi kiasi_gani"),
    "ko": (
        "무엇* 무슨* 뭐*", "어느* 어떤*", "누구* 누가*", "언제*", "어디*", "왜*", "어떻게*", "몇* 얼마*",
    ),
    "bn": ("কী কি", "কোন কোনটি", "কে কারা কার কাকে", "কবে কখন", "কোথায়", "কেন", "কীভাবে কিভাবে কেমন", "কত কতটি কতজন কয়টি"),
    "te": (
        "ఏమిటి ఏంటి ఏమి", "ఏ ఏది", "ఎవరు ఎవరి ఎవరిని", "ఎప్పుడు", "ఎక్కడ", "ఎందుకు", "ఎలా", "ఎన్ని ఎంత ఎంతమంది",
    ),
}  # fmt: skip
"""Language -> its words for each of the kinds, in their order; `_` is a space, `*` any ending."""
WEAK: dict[str, dict[str, str]] = {"ar": {"من": "who", "ما": "what", "لم": "why"}}
"""Words that are question words at the beginning, and else only where there is no other."""


def question_word(example: Example) -> str | None:
    """What a question asks with: one of `KINDS`, or `none found`; None for a language without rules."""
    language, question = example["language"], example.get("question")
    if language not in WORDS or not isinstance(question, str):
        return None
    spaced = language not in UNSPACED
    text = folded(question, language)
    text = f" {' '.join(runs(text))} " if spaced else text
    weak = WEAK.get(language, {})
    if (first := text.split(maxsplit=1)[0] if text.strip() else "") in weak:
        return weak[first]
    found = list(_found(text, language, spaced))
    if found:
        return min(found)[2]
    return next((weak[word] for word in text.split() if word in weak), OTHER)


def _found(text: str, language: str, spaced: bool) -> list[tuple[int, int, str]]:
    """(place, length with the longest first, kind) of every question word of a text."""
    found = []
    for kind, listed in zip(KINDS, WORDS[language], strict=True):
        for word in listed.split():
            wanted = folded(word.replace("_", " "), language)
            if spaced:
                wanted = f" {wanted.removesuffix('*')}" if wanted.endswith("*") else f" {wanted} "
            place = text.find(wanted)
            if place >= 0:
                found.append((place, -len(wanted), kind))
    return found
