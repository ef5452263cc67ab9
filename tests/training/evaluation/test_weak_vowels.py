"""Weak vowels of words in a forced alignment, by CMUdict's stress."""

import pytest

from training.evaluation.peers.weak_vowels import with_weak_vowels

PRONUNCIATIONS = {
    "cut": ["K AH1 T"],
    "agenda": ["AH0 JH EH1 N D AH0"],
    "the": ["DH AH0", "DH AH1", "DH IY0"],
    "to": ["T UW1", "T IH0", "T AH0"],
    "into": ["IH1 N T UW0", "IH0 N T UW1", "IH0 N T AH0"],
    "it": ["IH1 T", "IH0 T"],
}


@pytest.mark.parametrize(
    ("word", "aligned", "weak"),
    [
        ("cut", "K AH T", "K AH T"),
        ("agenda", "AH JH EH N D AH", "AX JH EH N D AX"),
        ("the", "DH AH", "DH AX"),
        ("the", "DH IY", "DH IY"),
        ("to", "T IH", "T AX"),  # as in "want to", which many people round
        ("to", "T AH", "T AX"),
        ("to", "T UW", "T UW"),
        ("into", "IH N T UW", "IH N T UW"),
        ("into", "IH N T AH", "IH N T AX"),
        ("it", "IH T", "IH T"),
        ("unknown", "T IH", "T IH"),
    ],
)
def test_weak_vowels_are_told_by_stress(word, aligned, weak):
    pronunciations = [text.split() for text in PRONUNCIATIONS.get(word, [])]
    assert with_weak_vowels(aligned.split(), pronunciations) == weak.split()
