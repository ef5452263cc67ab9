"""
Scripted answers: what the avatar says where no language model is set.

They are rules, so an answer is always the same and takes no time. Each of them that is
not plainly an answer says that it is scripted, and how to set a model.
"""

import datetime
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

SET_A_MODEL = "Set LITE_LLM_URL, and a language model will answer instead of me."
MAX_COUNT = 100
_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen"),
    *("seventeen", "eighteen", "nineteen"),
)
_TENS = (
    *("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"),
)
_NAME = re.compile(r"\byou are ([A-Z][\w'-]*)", re.IGNORECASE)
_ARTICLES = {"a", "an", "the", "not", "in", "on", "here", "my", "our"}
_ELSE = (
    "I heard you, but my answers are scripted, and none of them fits.",
    "That is beyond my script, which is a short one.",
    "My script has no answer to that. Ask me what I can do.",
)
_STORY = (
    "Once there was a lighthouse that was afraid of the dark."
    " Every evening it lit its lamp, only to see better."
    " One night a small boat found its way home by that light,"
    " and the sailor called out: thank you for being so brave."
    " The lighthouse thought about that until morning, and has never been afraid since."
)


@dataclass(frozen=True, slots=True)
class Question:
    """Last words of the user, and what else an answer may depend on."""

    text: str  # as it was said
    words: str  # in lower case, without punctuation
    asked_before: int  # questions of the user before this one
    instructions: str
    now: datetime.datetime


def answer(messages: Sequence[tuple[str, str]], now: datetime.datetime) -> str:
    """Return the answer to the last of ``messages``, which are (role, text)."""
    asked = [text for role, text in messages if role == "user"]
    instructions = " ".join(
        text for role, text in messages if role in ("system", "developer")
    )
    text = asked[-1] if asked else "hello"
    words = " ".join(
        re.sub(r"[^\w' ]", " ", text.lower().replace("\u2019", "'")).split()
    )
    question = Question(text, words, max(0, len(asked) - 1), instructions, now)
    for pattern, respond in _RULES:
        if match := re.search(pattern, question.words):
            return respond(question, match)
    return f"{_ELSE[question.asked_before % len(_ELSE)]} {SET_A_MODEL}"


def number_words(number: int) -> str:
    """Return a number from 0 to 100 in words."""
    if number < len(_ONES):
        return _ONES[number]
    if number == MAX_COUNT:
        return "one hundred"
    tens, ones = divmod(number, 10)
    return _TENS[tens - 2] + (f"-{_ONES[ones]}" if ones else "")


_NUMBERS = {number_words(n).replace("-", " "): n for n in range(MAX_COUNT + 1)}


def _number(text: str) -> int | None:
    """Return the number that digits or words say, or None."""
    text = text.strip().removeprefix("a ")
    if text.isdigit():
        return int(text)
    return {**_NUMBERS, "hundred": MAX_COUNT}.get(text)


def _introduce(question: Question, _: re.Match[str]) -> str:
    named = _NAME.search(question.instructions)
    name = named[1] if named and named[1].lower() not in _ARTICLES else ""
    who = f"I am {name.capitalize()}, an avatar" if name else "I am an avatar"
    return (
        f"{who} that runs on this machine alone."
        " It hears you, speaks and moves my face. Only my answers are scripted."
        f" {SET_A_MODEL}"
    )


def _count(question: Question, match: re.Match[str]) -> str:
    first = _number(match["first"]) if match["first"] else 1
    last = _number(match["last"])
    if first is None or last is None or max(first, last) > MAX_COUNT:
        return f"I can count to {number_words(MAX_COUNT)}. Name a number up to that."
    step = 1 if last >= first else -1
    counted = ", ".join(number_words(n) for n in range(first, last + step, step))
    return f"{counted.capitalize()}."


def _repeat(question: Question, match: re.Match[str]) -> str:
    said = re.search(
        r"(?:repeat after me|repeat|say)\W+(.+)", question.text, re.I | re.S
    )
    return said[1].strip() if said else match["said"]


def _spell(question: Question, match: re.Match[str]) -> str:
    return ", ".join(match["word"].upper()) + "."


def _time(question: Question, _: re.Match[str]) -> str:
    hour, half = question.now.hour, "AM" if question.now.hour < 12 else "PM"
    return f"It is {hour % 12 or 12}:{question.now.minute:02} {half}."


def _date(question: Question, _: re.Match[str]) -> str:
    return f"Today is {question.now:%A, %B} {question.now.day}."


def _always(text: str) -> Callable[[Question, re.Match[str]], str]:
    return lambda question, match: text


_RULES: tuple[tuple[str, Callable[[Question, re.Match[str]], str]], ...] = (
    (r"^(?:please |can you |could you )*repeat after me (?P<said>.+)", _repeat),
    (
        r"^(?:please |can you |could you )*(?:repeat|say) (?P<said>(?!that\b).+)",
        _repeat,
    ),
    (r"\bspell (?:the word |out )*(?P<word>\w+)", _spell),
    (
        r"\bcount (?:from (?P<first>[\w ]+?) )?(?:up |down )?to (?P<last>[\w ]+?)"
        r"(?: please| for me)*$",
        _count,
    ),
    (r"\bwhat time\b|\bthe time\b|\bo'clock\b", _time),
    (r"\bwhat (?:day|date)\b|\bthe date\b|\bwhat is today\b", _date),
    (r"\bwho are you\b|\byour name\b|\bwhat are you\b|\babout yourself\b", _introduce),
    (
        r"\bwhat can you (?:do|say)\b|\bhelp\b|\bwhat do you (?:do|know)\b",
        _always(
            "I can tell you who I am, the time and the date, count, spell a word,"
            " repeat what you say, and tell a story. Interrupt me whenever you like."
        ),
    ),
    (r"\bstory\b", _always(_STORY)),
    (
        r"\bjoke\b",
        _always("Why did the microphone blush? It had picked up something personal."),
    ),
    (
        r"\bhow are you\b|\bhow do you do\b",
        _always("I am well, thank you. What would you like to hear?"),
    ),
    (r"\bthank(?:s| you)\b", _always("You are welcome.")),
    (
        r"\b(?:good ?bye|bye|see you|good night)\b",
        _always("Bye for now. Come back soon."),
    ),
    (
        r"^(?:hello|hi|hey|good (?:morning|afternoon|evening))\b",
        _always("Hello. It is good to hear you. Ask me what I can do."),
    ),
    (
        r"\bcan you hear me\b",
        _always("Yes, I hear you well."),
    ),
)
