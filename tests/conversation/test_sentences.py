"""Sentences of an answer as its words come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation.agent.sentences import MAX_SENTENCE, MIN_LATER, SentenceSplitter


def split(*pieces: str) -> list[str]:
    splitter = SentenceSplitter()
    found = [each.text for piece in pieces for each in splitter.feed(piece)]
    return found + [each.text for each in splitter.end()]


texts = st.text(alphabet="ab .!?\n…。,1D\"'", max_size=900) | st.text(max_size=50)


@given(text=texts, data=st.data())
def test_any_pieces_of_a_text_give_sentences_that_are_the_text(text, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    splitter = SentenceSplitter()
    found = [each for piece in pieces for each in splitter.feed(piece)]
    found += splitter.end()
    assert "".join(each.text for each in found) == text
    position = 0
    for each in found:
        assert each.start == position
        assert len(each.text) > 0
        position = each.end


@given(text=texts)
def test_no_sentence_is_too_long_to_speak(text):
    assert all(len(each) <= MAX_SENTENCE for each in split(text))


def test_the_first_sentence_is_there_with_the_word_after_it():
    splitter = SentenceSplitter()
    assert not list(splitter.feed("I am Mira."))
    (first,) = splitter.feed(" And")
    assert first.text == "I am Mira. "


def test_later_short_sentences_are_joined():
    found = split("Yes. I do. I will. I can. I shall, and that is all. Bye. So.")
    assert found[0] == "Yes. "
    assert all(len(each) >= MIN_LATER for each in found[1:-1])


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Who is here",
        "It is 3.5 m long",
        "J. S. Bach wrote it",
        "e.g. this one",
        "1. Open the door",
    ],
)
def test_a_full_stop_that_ends_no_sentence_parts_nothing(text):
    assert split(text) == [text]


def test_marks_of_scripts_without_spaces_end_sentences():
    assert split("你好。我是米拉。") == ["你好。我是米拉。"]
    assert split("你好、我是米拉。", "很高兴认识你") == [
        "你好、我是米拉。",
        "很高兴认识你",
    ]
