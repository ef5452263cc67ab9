"""Sentences for the synthesisers: WordNet examples, templates and phrases."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from training import text

GLOSSES = """\
  1 This software and database is being provided to you
00001740 29 v 04 breathe 0 | draw air in; "I can breathe better now"; "she (barely) breathed."
00001741 29 v 01 hum 0 | sing; "hm"; "the whole of the choir hummed on while nobody at all was
00001742 29 v 01 hum 0 | sing; "USA USA USA"; "Bob's pump hums - always"
"""  # noqa: E501 - the files have long lines


@pytest.fixture
def glosses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(text, "GLOSSES", tmp_path)
    text._examples.cache_clear()
    yield tmp_path
    text._examples.cache_clear()


def test_most_english_sentences_are_wordnet_examples(glosses: Path) -> None:
    (glosses / "data.verb").write_text(GLOSSES, "latin-1")
    examples = {
        "I can breathe better now",
        "she barely breathed",
        "Bob's pump hums - always",
    }
    random, from_wordnet = Random(1), 0
    for _ in range(400):
        sentence = text.english(random)
        from_wordnet += all(
            part in examples for part in sentence.rstrip(".").split(". ")
        )
    assert 0.6 < from_wordnet / 400 < 0.8


def test_templates_are_used_without_wordnet(glosses: Path) -> None:
    first = [text.english(Random(seed)) for seed in range(40)]
    assert first == [text.english(Random(seed)) for seed in range(40)]
    assert len(set(first)) > 35
    assert all(len(sentence) > 1 for sentence in first)


@pytest.mark.parametrize("language", sorted(p.stem for p in text.PHRASES.glob("*")))
def test_every_language_has_varied_sentences(language: str) -> None:
    sentences = [text.sentence(Random(seed), language) for seed in range(20)]
    assert len(set(sentences)) > 10
    assert all(any(letter.isalpha() for letter in sentence) for sentence in sentences)
