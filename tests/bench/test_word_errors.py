"""Wrong words between two texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.word_errors import WordErrors, words_of, wrong_words

words = st.lists(st.sampled_from("abcd"), max_size=8)


def test_texts_are_compared_by_their_words_alone():
    assert words_of("Press 1, twenty-two 'times'!") == words_of("press one 22 Times")
    assert words_of("Mr. Smith") == words_of("mister smith")
    assert words_of("It\u2019s 250.") == ["it's", "250"]


@pytest.mark.parametrize(
    ("said", "heard", "wrong"),
    [
        ("one two three", "one two three", 0),
        ("one two three", "one three", 1),
        ("one two three", "one two or three", 1),
        ("one two three", "one too three", 1),
        ("one two three", "", 3),
        ("", "one two", 2),
    ],
)
def test_each_edit_counts_once(said, heard, wrong):
    assert wrong_words(said.split(), heard.split()) == wrong


@given(words, words, words)
def test_wrong_words_are_a_distance(a, b, c):
    assert wrong_words(a, a) == 0
    assert wrong_words(a, b) == wrong_words(b, a)
    assert abs(len(a) - len(b)) <= wrong_words(a, b) <= max(len(a), len(b))
    assert wrong_words(a, c) <= wrong_words(a, b) + wrong_words(b, c)


def test_the_share_is_of_all_words_and_lies_in_its_interval():
    errors = WordErrors((1, 0, 3), (10, 20, 10))
    assert errors.percent == pytest.approx(10)
    low, high = errors.interval()
    assert 0 <= low < 10 < high <= 30
