"""
What the synthesisers say: sentences of our own making, the same for the same random source.

English comes from templates over our own words, rich in the sounds a mouth shows best, and
over the word list of the Debian package ``wamerican`` where it is installed. Each other
language has a file in ``phrases``: openings, clauses and endings, a line each.
"""

from functools import cache
from pathlib import Path
from random import Random

PHRASES = Path(__file__).parent / "phrases"
WORD_LIST = Path("/usr/share/dict/american-english")

_PLACES = """above below before behind with without from by over for beyond between into around
through beside under near past across along after during against""".split()
_THINGS = """man woman boat map pub bomb film wave bus shop moon room bee tooth beam thumb fish vow
rubber pepper mouth view web game farm baby book voice wolf sea bridge garden river window
morning evening problem number company family movie computer system update paper bottle coffee
apple cup shoe cheese church judge chair juice watch beach food school group soup spoon juice
wood foot cook cushion toy boy coin noise house cow town cloud mouse path bath month truth
leather feather brother weather theatre knife leaf glove vase van stove village finger cave
vision measure garage beige queen week wheel whale wind wire tower flower hour fire""".split()
_ACTS = (
    """saw took made bought found moved left wanted opened put kept gave brought showed viewed
helped liked washed wove believed followed blamed remembered pushed pulled chose used shook
pumped bumped mopped fixed fetched weighed wiped threw thought about talked about paid for
waited for asked for thanked""".replace(" about", "_about")
    .replace(" for", "_for")
    .split()
)
_KINDS = """big small warm blue soft very_good brave common wide few empty happy slow broad open wet
firm main vivid familiar purple cheap huge smooth loose new few rich fresh thin thick weird
whole low high cool yellow orange foolish beautiful famous possible impossible""".split()
_WHOSE = (
    "the a my your our every some that this two five both many their his her no".split()
)
_WHO = """I you we they people my_father his_wife the_boy nobody everybody she he it Bob Mary Emma Peter
Philip Vivian Thomas Joe Ruth Phoebe Matthew Wanda George Charlotte Hugh Beth Oliver Maya""".split()
_CAN = "can could will would may might shall should must did does".split()
_ASK = "what why when where how who which how_often how_much".split()
_SHORT = """yes|no|okay, sure|oh, wow|maybe|of course|thank you very much|you are welcome|I see|really?
|hello|hi there|good morning|good evening|goodbye|bye bye|see you tomorrow|sorry about that|no problem
|hmm, let me think|wait a moment, please|what do you mean?|that is wonderful|absolutely|not at all
|I am afraid not|how are you doing today?|fine, and you?|sounds good|please go ahead|who knows?
|may I help you?|tell me more|come on|well, you know|me too|why not?|oops, my fault|two or three
|what about you?|I would love to|both of them|whatever you prefer|above all, be brave""".split(
    "|"
)
_CHAT = """I think that|you know,|well,|to be honest,|maybe|actually,|let me show you how|I believe
|as far as I know,|by the way,|of course|if you want,|we should remember that|I hope
|could you tell me whether|it seems that|before we move on,|so,|the problem is that""".split(
    "|"
)
_LINKS = (
    ", ",
    ", and ",
    ". ",
    " because ",
    " but ",
    "; ",
    ", so ",
    ", which means ",
    " while ",
)
_MONTHS = """January February March April May June July August September October November
December""".split()


@cache
def _words() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """All common-looking words of the list, and those that move the lips at least twice."""
    if not WORD_LIST.exists():
        return tuple(_THINGS), tuple(_THINGS)
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
    kind = f"{random.choice(_KINDS)} " if random.random() < 0.5 else ""
    noun = random.choice(_THINGS) if random.random() < 0.6 else _word(random)
    return f"{random.choice(_WHOSE)} {kind}{noun}"


def _number(random: Random) -> str:
    match random.randrange(5):
        case 0:
            return f"the number is {random.randrange(10, 10 ** random.randrange(2, 7))}"
        case 1:
            return f"call {' '.join(str(random.randrange(10)) for _ in range(7))}"
        case 2:
            return f"on {random.choice(_MONTHS)} {random.randrange(1, 29)}, {random.randrange(1950, 2030)}"
        case 3:
            letters = ", ".join(
                random.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(4)
            )
            return f"it is spelt {letters}"
        case _:
            return f"it costs {random.randrange(2, 99)} pounds and {random.randrange(5, 99)} pence"


def _clause(random: Random) -> str:
    match random.choices(range(7), (32, 14, 16, 12, 10, 8, 8))[0]:
        case 0:
            return (
                f"{random.choice(_WHO)} {random.choice(_ACTS)} {_thing(random)} "
                f"{random.choice(_PLACES)} {_thing(random)}"
            )
        case 1:
            return (
                f"{random.choice(_ASK)} {random.choice(_CAN)} {random.choice(_WHO)} "
                f"bring {_thing(random)} {random.choice(_PLACES)} {_thing(random)}"
            )
        case 2:
            return (
                f"{random.choice(_WHO)} {random.choice(_CAN)} not move {_thing(random)}"
            )
        case 3:
            return f"{random.choice(_CHAT).strip()} {_clause(random)}"
        case 4:
            return " ".join(_word(random) for _ in range(random.randint(2, 6)))
        case 5:
            return _number(random)
        case _:
            return f"{_thing(random)} is {random.choice(_KINDS)} and {random.choice(_KINDS)}"


def english(random: Random) -> str:
    """One utterance: a short answer now and then, else one to three clauses."""
    if random.random() < 0.12:
        answers = random.sample(_SHORT, random.randint(1, 3))
        return (
            ". ".join(answer.strip() for answer in answers)
            .replace("?.", "?")
            .replace("_", " ")
        )
    said = _clause(random)
    for _ in range(random.choice((0, 0, 1, 1, 2))):
        said += random.choice(_LINKS) + _clause(random)
    return said.replace("_", " ") + random.choice(".?!.")


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
