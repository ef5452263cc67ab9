"""Random sentences for the synthesisers; the same random state gives the same sentence.

Most English sentences are usage examples of the Debian package ``wordnet-base``: they
have phonemes as often as people use them. The others come from templates, filled with
the words of ``phrases/en.txt``, which are rich in phonemes that a mouth shows well, and
with the word list of ``wamerican``. Without these packages there are templates only.
Each other language has a file in ``phrases`` with three lines: openings, clauses and
endings.
"""

import re
from functools import cache
from pathlib import Path
from random import Random

PHRASES = Path(__file__).parent / "phrases"
WORD_LIST = Path("/usr/share/dict/american-english")
GLOSSES = Path("/usr/share/wordnet")

_EXAMPLE_SHARE = 0.7  # of the English utterances, if WordNet is installed
_EXAMPLE_WORDS = range(3, 16)  # the number of words of a usable example


@cache
def _english_words() -> dict[str, tuple[str, ...]]:
    """Return the English words of the templates, by their place in a sentence."""
    lines = (PHRASES / "en.txt").read_text("utf-8").splitlines()
    named = (line.partition("=") for line in lines)
    return {name: tuple(words.split("|")) for name, _, words in named}


def _pick(random: Random, place: str) -> str:
    return random.choice(_english_words()[place])


@cache
def _listed_words() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return common words of the list, and those with two or more labial letters."""
    if not WORD_LIST.exists():
        things = _english_words()["thing"]
        return things, things
    words = [
        word
        for word in WORD_LIST.read_text("utf-8").split()
        if word.isascii() and word.isalpha() and word.islower() and 2 < len(word) < 11
    ]
    return tuple(words), tuple(w for w in words if sum(c in "pbmfvw" for c in w) >= 2)


def _random_word(random: Random) -> str:
    all_words, labial = _listed_words()
    return random.choice(labial if random.random() < 0.5 else all_words)


def _thing(random: Random) -> str:
    kind = f"{_pick(random, 'kind')} " if random.random() < 0.5 else ""
    noun = _pick(random, "thing") if random.random() < 0.6 else _random_word(random)
    return f"{_pick(random, 'whose')} {kind}{noun}"


def _number(random: Random) -> str:
    match random.randrange(5):
        case 0:
            return f"the number is {random.randrange(10, 10 ** random.randrange(2, 7))}"
        case 1:
            return f"call {' '.join(str(random.randrange(10)) for _ in range(7))}"
        case 2:
            month = _pick(random, "month")
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
                f"{_pick(random, 'who')} {_pick(random, 'act')} {_thing(random)} "
                f"{_pick(random, 'place')} {_thing(random)}"
            )
        case 1:
            return (
                f"{_pick(random, 'ask')} {_pick(random, 'can')} {_pick(random, 'who')} "
                f"bring {_thing(random)} {_pick(random, 'place')} {_thing(random)}"
            )
        case 2:
            who, can = _pick(random, "who"), _pick(random, "can")
            return f"{who} {can} not move {_thing(random)}"
        case 3:
            return f"{_pick(random, 'chat')} {_clause(random)}"
        case 4:
            return " ".join(_random_word(random) for _ in range(random.randint(2, 6)))
        case 5:
            return _number(random)
        case _:
            thing = _thing(random)
            return f"{thing} is {_pick(random, 'kind')} and {_pick(random, 'kind')}"


@cache
def _examples() -> tuple[str, ...]:
    """Return WordNet's usage examples: the quoted parts of its glosses."""
    examples: list[str] = []
    for path in sorted(GLOSSES.glob("data.*")):
        for quoted in re.findall(r'"([^"]*)"', path.read_text("latin-1")):
            text = re.sub(r"[^A-Za-z0-9',.?! -]", "", quoted).strip(" ,.-")
            if len(text.split()) in _EXAMPLE_WORDS and not text.isupper():
                examples.append(text)
    return tuple(examples)


def english(random: Random) -> str:
    """Return one English utterance of one to three sentences or clauses."""
    if random.random() < _EXAMPLE_SHARE and (examples := _examples()):
        count = random.choice((1, 1, 1, 2, 2, 3))
        return ". ".join(random.choice(examples) for _ in range(count)) + "."
    return _from_templates(random)


def _from_templates(random: Random) -> str:
    """Return an utterance from the templates: clauses, or short answers."""
    if random.random() < 0.12:
        answers = random.sample(_english_words()["short"], random.randint(1, 3))
        return ". ".join(answers).replace("?.", "?")
    text = _clause(random)
    for _ in range(random.choice((0, 0, 1, 1, 2))):
        text += _pick(random, "link") + _clause(random)
    return text + random.choice(".?!.")


@cache
def _phrases(language: str) -> tuple[tuple[str, ...], ...]:
    """Return openings, clauses and endings, the three lines of the language's file."""
    lines = (PHRASES / f"{language}.txt").read_text("utf-8").splitlines()
    return tuple(tuple(line.split("|")) for line in lines)


def _phrase(random: Random, language: str) -> str:
    openings, clauses, endings = _phrases(language)
    text = random.choice(clauses)
    if random.random() < 0.55:
        text = f"{random.choice(openings)} {text}"
    if random.random() < 0.45:
        text = f"{text} {random.choice(endings)}"
    return text


def _shuffled_words(random: Random, language: str) -> str:
    """Return words of the language in random order, for other pairs of neighbours."""
    words = " ".join(" ".join(group) for group in _phrases(language)).split()
    return " ".join(
        random.choice(words).strip(",") for _ in range(random.randint(3, 9))
    )


def sentence(random: Random, language: str) -> str:
    """Return one utterance in ``language``, a code such as ``en-us`` or ``pt-br``."""
    family = language.partition("-")[0]
    if family == "en":
        return english(random)
    parts = [
        (_shuffled_words if random.random() < 0.3 else _phrase)(random, family)
        for _ in range(random.choice((1, 1, 2)))
    ]
    return random.choice((", ", ". ")).join(parts) + random.choice("..?!")
