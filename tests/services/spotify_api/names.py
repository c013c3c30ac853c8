"""Invents names in many scripts from syllables; nothing here is taken from a real catalogue."""

from __future__ import annotations

from random import Random

_SYLLABLES = {
    "latin": "ba bel cor da dra el fen gar il jo ka lir mo na nor o per qui ra sel tal ven wy zor",
    "nordic": "bjö dal ek fjäll går hå id jär kv lö måns nå ös pär rönn sjö tår ull väs åk ä",
    "cyrillic": "ба вел гор да жар зи кол ле мир но пе ра све та ули хо чер ша юн яр",
    "greek": "αλ βη γα δε ζω θα κο λι μέ νο ξε πα ρο σί τη φω χα ψι ωρ",
    "kana": "あ お か さ た な は ま や ら わ き し り み ひ つ く む せ",
    "hangul": "가 나 다 라 마 바 사 아 자 하 고 노 도 로 모 보 소 오 조 호",
    "arabic": "با تا دا را سا عا فا قا لا ما نا ها وا يا نو رو سي مي",
    "devanagari": "का गा चा जा ता दा ना पा बा मा रा ला वा सा हा की नी री",
}
_SYLLABLE_LISTS = {script: text.split() for script, text in _SYLLABLES.items()}
_WEIGHTS = {"latin": 10, "nordic": 3}
_SCRIPTS = [script for script in _SYLLABLES for _ in range(_WEIGHTS.get(script, 1))]
_BANDS = ("The {}", "{} & {}", "{} Collective", "DJ {}", "{}", "{} {}", '{} "{}"', "{}, {}")
_SONGS = ("{}", "{} {}", "{} ({})", "{} – {}", "{}, Pt. 2", "{}’s {}", "{} / {}", "¿{}?", "{} 🌙")
_MOODS = ("Morning", "Night", "Focus", "Sunday", "Long Road", "Kitchen", "Rain", "Running")
GENRES = ("fjord pop", "slow synth", "dust folk", "kelp jazz", "brass drift", "night choir")


def word(random: Random) -> str:
    """Invent one word of two to four syllables in one script."""
    syllables = _SYLLABLE_LISTS[random.choice(_SCRIPTS)]
    return "".join(random.choices(syllables, k=random.randint(2, 4))).capitalize()


def _fill(pattern: str, random: Random) -> str:
    return pattern.format(*(word(random) for _ in range(pattern.count("{}"))))


def artist_name(random: Random) -> str:
    """Invent an artist."""
    return _fill(random.choice(_BANDS), random)


def title(random: Random) -> str:
    """Invent the title of a track or an album."""
    return _fill(random.choice(_SONGS), random)


def playlist_name(random: Random) -> str:
    """Invent the name of a playlist."""
    return f"{random.choice(_MOODS)} {word(random)}"
