"""Names of people and things: what nobody sees in them is found."""

import pytest

from renderer.hidden import hidden_character


@pytest.mark.parametrize(
    "name",
    ["Ana", "Zoë Ångström", "王小明", "O'Neil - 2 (b)",
     "\u0645\u06cc\u200c\u062e\u0648", "क्\u200dष",
     "\N{WOMAN}\u200d\N{ROCKET}", "\N{HEAVY BLACK HEART}\ufe0f", "עברית"],
)  # fmt: skip
def test_names_of_people_everywhere_are_taken(name):
    assert hidden_character(name) is None


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("Ana\u202egnp", "U+202E"), ("\u2066Ana", "U+2066"), ("A\u200bna", "U+200B"),
        ("A\u200dna", "U+200D"), ("Ana\u200c", "U+200C"), ("\u200cم", "U+200C"),
        ("م\u200d\u200dم", "U+200D"), ("A\nB", "U+000A"), ("A\u2028B", "U+2028"),
        ("A\x7f", "U+007F"), ("\u00ad", "U+00AD"), ("\ufeffA", "U+FEFF"),
        ("\u3164", "U+3164"), ("A\U000e0041", "U+E0041"), ("\ud800", "U+D800"),
    ],
)  # fmt: skip
def test_what_nobody_sees_is_found(name, hidden):
    assert hidden_character(name) == hidden
