"""
What the synthesisers say: sentences of our own making, equal for equal random sources.

English is for the most part the examples of the Debian package ``wordnet-base``, as
people speak, and for the rest templates over our own words, rich in the sounds a mouth
shows best, and over the list of ``wamerican``; without the packages, templates alone.
Each other language has a file in ``phrases``: openings, clauses and endings, a line
each.
"""

import re
from functools import cache
from pathlib import Path
from random import Random

PHRASES = Path(__file__).parent / "phrases"
WORD_LIST = Path("/usr/share/dict/american-english")
GLOSSES = Path("/usr/share/wordnet")

_EXAMPLES = 0.7  # of English, where there are any: sounds as often as people use them
_WORDS = range(3, 16)  # in an example


@cache
def _english() -> dict[str, tuple[str, ...]]:
    """Our own English words by their place in a sentence."""
    lines = (PHRASES / "en.txt").read_text("utf-8").splitlines()
    named = (line.partition("=") for line in lines)
    return {name: tuple(words.split("|")) for name, _, words in named}


def _any(random: Random, place: str) -> str:
    return random.choice(_english()[place])


@cache
def _words() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Common-looking words of the list, and those with two letters for the lips."""
    if not WORD_LIST.exists():
        own = _english()["thing"]
        return own, own
    words = [
        word
        for word in WORD_LIST.read_text("utf-8").split()
        if word.isascii() and word.isalpha() and word.islower() and 2 < len(word) < 11
    ]
    return tuple(words), tuple(w for w in words if sum(c in "pbmfvw" for c in w) >= 2)


def _word(random: Random) -> str:
    every, labial = _words()
    return random.choice(labial if random.random() < 0.5 else every)


def _thing(random: Random) -> str:
    kind = f"{_any(random, 'kind')} " if random.random() < 0.5 else ""
    noun = _any(random, "thing") if random.random() < 0.6 else _word(random)
    return f"{_any(random, 'whose')} {kind}{noun}"


def _number(random: Random) -> str:
    match random.randrange(5):
        case 0:
            return f"the number is {random.randrange(10, 10 ** random.randrange(2, 7))}"
        case 1:
            return f"call {' '.join(str(random.randrange(10)) for _ in range(7))}"
        case 2:
            month = _any(random, "month")
            day, year = random.randrange(1, 29), random.randrange(1950, 2030)
            return f"on {month} {day}, {year}"
        case 3:
            letters = ", ".join(
                random.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(4)
            )
            return f"it is spelt {letters}"
        case _:
            pounds, pence = random.randrange(2, 99), random.randrange(5, 99)
            return f"it costs {pounds} pounds and {pence} pence"


def _clause(random: Random) -> str:
    match random.choices(range(7), (32, 14, 16, 12, 10, 8, 8))[0]:
        case 0:
            return (
                f"{_any(random, 'who')} {_any(random, 'act')} {_thing(random)} "
                f"{_any(random, 'place')} {_thing(random)}"
            )
        case 1:
            return (
                f"{_any(random, 'ask')} {_any(random, 'can')} {_any(random, 'who')} "
                f"bring {_thing(random)} {_any(random, 'place')} {_thing(random)}"
            )
        case 2:
            return (
                f"{_any(random, 'who')} {_any(random, 'can')} not move {_thing(random)}"
            )
        case 3:
            return f"{_any(random, 'chat')} {_clause(random)}"
        case 4:
            return " ".join(_word(random) for _ in range(random.randint(2, 6)))
        case 5:
            return _number(random)
        case _:
            return (
                f"{_thing(random)} is {_any(random, 'kind')} and {_any(random, 'kind')}"
            )


@cache
def _examples() -> tuple[str, ...]:
    """What WordNet's glosses give in quotes to show how a word is used."""
    found: list[str] = []
    for path in sorted(GLOSSES.glob("data.*")):
        for quoted in re.findall(r'"([^"]*)"', path.read_text("latin-1")):
            text = re.sub(r"[^A-Za-z0-9',.?! -]", "", quoted).strip(" ,.-")
            if len(text.split()) in _WORDS and not text.isupper():
                found.append(text)
    return tuple(found)


def english(random: Random) -> str:
    """One utterance, of one to three clauses or a short answer."""
    if random.random() < _EXAMPLES and (examples := _examples()):
        count = random.choice((1, 1, 1, 2, 2, 3))
        return ". ".join(random.choice(examples) for _ in range(count)) + "."
    return _made_up(random)


def _made_up(random: Random) -> str:
    """From our own templates and words."""
    if random.random() < 0.12:
        answers = random.sample(_english()["short"], random.randint(1, 3))
        return ". ".join(answers).replace("?.", "?")
    said = _clause(random)
    for _ in range(random.choice((0, 0, 1, 1, 2))):
        said += _any(random, "link") + _clause(random)
    return said + random.choice(".?!.")


@cache
def _phrases(language: str) -> tuple[tuple[str, ...], ...]:
    """Openings, clauses and endings of a language, one line of its file each."""
    lines = (PHRASES / f"{language}.txt").read_text("utf-8").splitlines()
    return tuple(tuple(line.split("|")) for line in lines)


def _phrase(random: Random, language: str) -> str:
    openings, clauses, endings = _phrases(language)
    said = random.choice(clauses)
    if random.random() < 0.55:
        said = f"{random.choice(openings)} {said}"
    if random.random() < 0.45:
        said = f"{said} {random.choice(endings)}"
    return said


def _salad(random: Random, language: str) -> str:
    """Words of the language in any order: neighbours that no sentence of ours has."""
    words = " ".join(" ".join(group) for group in _phrases(language)).split()
    return " ".join(
        random.choice(words).strip(",") for _ in range(random.randint(3, 9))
    )


def sentence(random: Random, language: str) -> str:
    """One utterance in ``language`` (a code such as ``en-us`` or ``pt-br``)."""
    family = language.partition("-")[0]
    if family == "en":
        return english(random)
    parts = [
        _salad(random, family) if random.random() < 0.3 else _phrase(random, family)
        for _ in range(random.choice((1, 1, 2)))
    ]
    return random.choice((", ", ". ")).join(parts) + random.choice("..?!")
