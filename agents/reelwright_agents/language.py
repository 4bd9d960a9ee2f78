"""Guesses what language a text is in: by its script, and by the little words that each uses."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping

NAMES: Mapping[str, str] = {
    "de": "German", "es": "Spanish", "fr": "French", "it": "Italian", "pt": "Portuguese",
    "nl": "Dutch", "pl": "Polish", "sv": "Swedish", "tr": "Turkish",
    "ja": "Japanese", "zh": "Chinese", "ko": "Korean", "ru": "Russian", "el": "Greek",
    "ar": "Arabic", "he": "Hebrew", "hi": "Hindi", "th": "Thai", "en": "English",
}  # fmt: skip
_SCRIPTS: Mapping[str, str] = {
    "HIRAGANA": "ja", "KATAKANA": "ja", "CJK": "zh", "HANGUL": "ko", "CYRILLIC": "ru",
    "GREEK": "el", "ARABIC": "ar", "HEBREW": "he", "DEVANAGARI": "hi", "THAI": "th",
}  # fmt: skip
"""From the first word of a letter's name to the language that mostly uses it."""
_LITTLE_WORDS: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the a an and of in on to is are was with from at then it he she they his her two "
        "three red blue green while by for into over under there that this its as",
        "de": "der die das und ein eine einen einem einer ist sind war nicht mit von zu zum zur "
        "dem den des auf für über unter dann im am er sie es wird fährt geht läuft rotes roter "
        "rote zwei drei nach bei aus vor durch wieder sich",
        "es": "el la los las un una unos unas y de del en con por para es son está están que no "
        "al su sus se lo dos tres rojo roja luego después entonces hacia sobre cae corre",
        "fr": "le la les un une des et du de en dans avec pour sur est sont que qui ne pas au aux "
        "il elle ils deux trois rouge puis ensuite vers sous ce cette se tombe roule",
        "it": "il lo la gli le un una uno e di del della dei in con per su è sono che non al "
        "alla si da due tre rosso rossa poi verso sopra sotto cade corre nel nella",
        "pt": "o os as um uma uns umas e de do da dos das em no na com por para é são que não ao "
        "se seu sua dois duas três vermelho então depois cai corre sobre",
        "nl": "de het een en van in op met voor is zijn niet naar uit bij dan hij zij er twee "
        "drie rode over onder rijdt valt door aan wordt",
        "pl": "i w we z ze na do się jest są nie to po od dla przez nad pod dwa trzy potem który "
        "czerwony jedzie",
        "sv": "och en ett den det är i på med för av till inte som från två tre röd sedan över "
        "under hon han faller",
        "tr": "ve bir bu o ile için de da çok sonra iki üç kırmızı var değil gibi doğru",
    }.items()
}


def language_of(text: str) -> str:
    """The language of `text` as BCP 47 calls it; `en` where nothing speaks against it.

    Only a guess: of a text of few words, and among languages that share their script.
    """
    scripts = Counter(_script(letter) for letter in text if letter.isalpha())
    foreign = {script: count for script, count in scripts.items() if script in _SCRIPTS}
    if sum(foreign.values()) * 2 > sum(scripts.values()):
        # Japanese mixes its own letters with Chinese ones.
        kana = foreign.get("HIRAGANA", 0) + foreign.get("KATAKANA", 0)
        return "ja" if kana else _SCRIPTS[max(foreign, key=lambda script: foreign[script])]
    said = Counter(re.findall(r"[^\W\d_]+", text.lower()))
    hits = {
        language: sum(said[word] for word in words) for language, words in _LITTLE_WORDS.items()
    }
    best = max(hits, key=lambda language: hits[language])
    return best if hits[best] > hits["en"] and hits[best] >= 2 else "en"


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").split(" ", 1)[0]
