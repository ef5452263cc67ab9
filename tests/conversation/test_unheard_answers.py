"""Answers of a Realtime server that no speech can play any more."""

import pytest

from conversation.agent.unheard_answers import UnheardAnswers


@pytest.fixture
def answers() -> UnheardAnswers:
    return UnheardAnswers()


def test_an_answer_is_given_up_when_it_is_complete_and_its_speech_is_over(answers):
    speech = answers.begin_speech()
    answers.begin_answer("item")
    assert answers.take() == []
    answers.complete()
    assert answers.take() == []
    answers.end_speech(speech, interrupted=True)
    assert answers.take() == ["item"]
    assert answers.take() == []


def test_an_answer_that_comes_after_its_speech_is_over_waits_for_its_end(answers):
    answers.end_speech(answers.begin_speech(), interrupted=True)
    answers.begin_answer("item")
    assert answers.take() == []
    answers.complete()
    assert answers.take() == ["item"]


def test_a_speech_that_could_have_the_answer_keeps_it(answers):
    first, second = answers.begin_speech(), answers.begin_speech()
    answers.begin_answer("item")
    answers.complete()
    answers.end_speech(first, interrupted=True)
    assert answers.take() == []
    third = answers.begin_speech()  # too late to have it
    answers.end_speech(second, interrupted=True)
    assert answers.take() == ["item"]
    answers.end_speech(third, interrupted=True)


def test_an_answer_that_was_heard_is_never_given_up(answers):
    speech = answers.begin_speech()
    answers.begin_answer("item")
    answers.complete()
    answers.settle("item")
    answers.end_speech(speech, interrupted=True)
    assert answers.take() == []


def test_a_speech_that_ends_by_itself_was_heard(answers):
    speech = answers.begin_speech()
    answers.begin_answer("item")
    answers.complete()
    answers.end_speech(speech, interrupted=False)
    assert answers.take() == []
