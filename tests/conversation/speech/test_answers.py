"""Scripted answers: which question gets which."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation.speech.answers import SET_A_MODEL, answer, number_words

NOW = datetime.datetime(2026, 3, 4, 14, 5, tzinfo=datetime.UTC)

ANSWERS = {
    "What time is it?": "It is 2:05 PM.",
    "Which day... what day is it?": "Today is Wednesday, March 4.",
    "Count to five, please.": "One, two, three, four, five.",
    "count from ten down to 7": "Ten, nine, eight, seven.",
    "Can you count to a million?": "I can count to one hundred."
    " Name a number up to that.",
    "Repeat after me: I am here.": "I am here.",
    "please say hello to Bob!": "hello to Bob!",
    "How do you spell hello?": "H, E, L, L, O.",
    "Thank you very much.": "You are welcome.",
    "Bye!": "Bye for now. Come back soon.",
    "Can you hear me?": "Yes, I hear you well.",
}


def ask(*questions: str, instructions: str = "You are a kind helper.") -> str:
    messages = [("system", instructions)]
    for question in questions:
        messages += [("user", question), ("assistant", "Yes.")]
    return answer(messages[:-1], NOW)


@pytest.mark.parametrize("question", ANSWERS)
def test_a_question_gets_its_answer(question):
    assert ask(question) == ANSWERS[question]


def test_the_avatar_has_the_name_that_the_instructions_give():
    named = ask("Who are you?", instructions="You are Mira, a host. Be brief.")
    assert named.startswith("I am Mira, an avatar")
    assert ask("What is your name?").startswith("I am an avatar")


def test_other_questions_are_told_that_answers_are_scripted_and_how_to_set_a_model():
    first = ask("What is the capital of France?")
    second = ask("What is the capital of France?", "And of Spain?")
    assert first.endswith(SET_A_MODEL)
    assert second.endswith(SET_A_MODEL)
    assert first != second


def test_the_last_question_is_answered():
    assert ask("Who are you?", "Thanks!") == "You are welcome."


def test_without_a_question_the_avatar_greets():
    assert answer([("system", "Say hello.")], NOW).startswith("Hello.")


@given(st.integers(0, 99))
def test_numbers_are_counted_in_words(last):
    counted = ask(f"count from 0 to {last}").removesuffix(".").lower().split(", ")
    assert counted == [number_words(n) for n in range(last + 1)]
    assert len(set(counted)) == last + 1


@given(st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_every_question_has_the_same_answer_each_time(questions):
    said = ask(*questions)
    assert said.strip()
    assert said == ask(*questions)
