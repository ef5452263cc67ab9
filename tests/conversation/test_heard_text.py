"""Words that were heard, from the text and the samples heard."""

import time

from hypothesis import given
from hypothesis import strategies as st

from conversation.agent.heard_text import _WORD, SAMPLE_RATE, HeardText

WORDS = st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=12)
PIECES = st.lists(
    st.tuples(
        st.lists(WORDS, min_size=1, max_size=8).map(
            lambda words: " ".join(words) + " "
        ),
        st.none() | st.floats(0, 20),  # its start, in s
        st.none() | st.floats(0, 20),  # its end, in s
        st.integers(0, 5 * SAMPLE_RATE),  # audio that came with it
    ),
    max_size=6,
)


def text_of(pieces, *, complete: bool) -> HeardText:
    text = HeardText()
    for words, start_s, end_s, samples in pieces:
        text.add_text(words, start_s, end_s)
        text.add_audio(samples)
    if complete:
        text.complete()
    return text


@given(PIECES, st.booleans(), st.lists(st.integers(-1, 30 * SAMPLE_RATE)))
def test_what_was_heard_is_a_beginning_of_the_text_that_only_grows(
    pieces, complete, positions
):
    text = text_of(pieces, complete=complete)
    heard = [text.heard(samples) for samples in sorted(positions)]
    assert all(text.text.startswith(beginning) for beginning in heard)
    assert heard == sorted(heard, key=len)


@given(PIECES, st.integers(1, 30 * SAMPLE_RATE))
def test_what_was_heard_ends_with_a_whole_word(pieces, samples):
    text = text_of(pieces, complete=False)
    heard = text.heard(samples)
    rest = text.text[len(heard) :]
    between_letters = heard and rest and not rest[0].isspace()
    assert not between_letters or heard[-1] >= "\u2e80" or rest[0] >= "\u2e80"


@given(PIECES, st.booleans())
def test_nothing_was_heard_before_the_first_sample(pieces, complete):
    assert text_of(pieces, complete=complete).heard(0) == ""


@given(PIECES)
def test_all_was_heard_when_all_audio_was(pieces):
    text = text_of(pieces, complete=True)
    text.add_audio(1)
    assert text.heard(text.samples) == text.text


@given(PIECES, st.booleans(), st.integers(0, 30 * SAMPLE_RATE))
def test_one_word_more_was_heard_at_the_next_words_position(pieces, complete, samples):
    text = text_of(pieces, complete=complete)
    position = text.next_word(samples)
    if position is not None:
        assert position > samples
        assert len(text.heard(position)) > len(text.heard(samples))
        assert len(text.heard(position - 1)) <= len(text.heard(position))


def test_words_without_times_are_spread_over_the_audio():
    text = HeardText()
    text.add_text("one two three four ")
    text.add_audio(4 * SAMPLE_RATE)
    text.complete()
    assert text.heard(2 * SAMPLE_RATE) == "one two"


def test_sentences_with_times_are_heard_at_those_times():
    text = HeardText()
    text.add_text("Yes. ", 0.0, 1.0)
    text.add_text("That is a much longer sentence.", 3.0, 5.0)
    text.add_audio(5 * SAMPLE_RATE)
    text.complete()
    assert text.heard(round(2.9 * SAMPLE_RATE)) == "Yes."
    assert text.heard(4 * SAMPLE_RATE).startswith("Yes. That is a")
    assert not text.heard(4 * SAMPLE_RATE).endswith("sentence.")


def test_text_that_is_ahead_of_its_audio_was_not_heard_at_once():
    text = HeardText()
    text.add_text("word " * 60)  # 20 s of speech
    text.add_audio(SAMPLE_RATE)
    assert len(text.heard(SAMPLE_RATE)) <= 20


def test_a_script_without_spaces_is_cut_between_characters():
    text = HeardText()
    text.add_text("\u4f60\u597d\u4e16\u754c")
    text.add_audio(SAMPLE_RATE)
    text.complete()
    assert len(text.heard(SAMPLE_RATE // 2)) == 2


def reference(text: HeardText, samples: int) -> str:
    """Return what was heard by going through all words, and all that is known."""
    known = [each for each in text._known if each[0] <= len(text.text)]
    known.append((len(text.text), text._end()))
    heard = ""
    for word in _WORD.finditer(text.text):
        middle = (word.start() + word.end()) / 2
        after = next(i for i, (at, _) in enumerate(known) if at >= middle)
        (start, first), (end, last) = known[max(0, after - 1)], known[after]
        share = (middle - start) / (end - start) if end > start else 1.0
        at = round(first + share * max(0, last - first))
        if max(1, min(at, text.samples) if text._complete else at) > samples:
            break
        heard = text.text[: word.end()]
    return heard


@given(PIECES, st.booleans(), st.integers(1, 30 * SAMPLE_RATE), st.integers(0, 400))
def test_the_words_heard_are_those_found_by_going_through_all(
    pieces, complete, samples, character
):
    text = text_of(pieces, complete=complete)
    text.know(character)
    text.add_text("and more")
    text.add_audio(SAMPLE_RATE)
    if not (complete and samples >= text.samples):
        assert text.heard(samples) == reference(text, samples)


def seconds_for_a_word(sentences: int) -> float:
    """Return the processor's time to find what was heard of so many sentences."""
    text = HeardText()
    for _ in range(sentences):
        text.know(len(text.text))
        text.add_text("These are ten words of a sentence that is spoken. ")
        text.add_audio(4 * SAMPLE_RATE)
    begin = time.process_time()
    for position in range(0, text.samples, text.samples // 20):
        text.heard(position)
        text.next_word(position)
    return time.process_time() - begin


def test_a_long_answer_costs_hardly_more_a_word_than_a_short_one():
    # Twenty times as long; in a process that all conversations share.
    long, short = (
        min(seconds_for_a_word(count) for _ in range(5)) for count in (300, 15)
    )
    assert long < 10 * short
