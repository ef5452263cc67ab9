"""Lists of phones: symbols of each alphabet, and what is wrong with a bad list."""
# ruff: noqa: RUF001 - IPA letters look like Latin ones, and are meant.

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.phones.alphabets import ALPHABETS
from protocol.phones.phone_list import (
    InvalidPhones,
    TimedPhone,
    phones_in_order,
    read_phones,
)
from renderer.speech.phonemes import PHONEMES


def phonemes(alphabet, *symbols):
    phones = [[symbol, k / 10, (k + 1) / 10] for k, symbol in enumerate(symbols)]
    spoken = read_phones({"alphabet": alphabet, "phones": phones})
    return " ".join(phone.phoneme for phone in spoken)


@pytest.mark.parametrize(
    ("alphabet", "symbols", "spoken"),
    [
        ("ipa", "f aɪ v θ ɪ n ʃ uː p", "F AA IH V TH IH N SH UW P"),
        ("ipa", "h ə l oʊ", "H AX L OW UH"),  # as Cartesia writes it
        ("ipa", "ˈt̪ tʃ ʧ ʤ ɜː ɚ ɫ", "T CH CH CH ER ER L"),
        ("ipa", "\u00e7 c\u0327 c ã", "H H K AA"),
        ("arpabet", "HH AH0 L OW1", "H AX L OW UH"),
        ("arpabet", "AH1 DH ZH NG JH ER0 sp", "AH TH SH K CH ER SIL"),
        ("kokoro", "f I v A O W ɜ ᵊ ʧ T", "F AA IH V EE IH OW UH AA UH ER AX CH D"),
        ("azure", "0 21 2 18 7 19", "SIL P AA F UW T"),
    ],
)
def test_symbols_of_each_alphabet_are_known(alphabet, symbols, spoken):
    assert phonemes(alphabet, *symbols.split()) == spoken


@pytest.mark.parametrize("symbol", ["", " ", "sil", "SIL", "sp", "spn", "<eps>"])
@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_aligners_may_write_silence_in_their_way(alphabet, symbol):
    assert phonemes(alphabet, symbol) == "SIL"


def test_every_table_has_phonemes_of_the_renderer_only():
    letters = [chr(code) for code in range(0x20, 0x300)] + [str(k) for k in range(22)]
    pairs = [a + b for a in "abcdefghijklmnopqrstuvwxyz" for b in "abehmnrowxyz"]
    known = 0
    for alphabet in ALPHABETS:
        for symbol in letters + pairs:
            try:
                spoken = phonemes(alphabet, symbol).split()
            except InvalidPhones:
                continue
            known += 1
            assert set(spoken) <= set(PHONEMES), (alphabet, symbol)
    assert known > 100


def test_a_diphthong_is_divided_and_stress_is_kept():
    [first, second] = read_phones({"alphabet": "arpabet", "phones": [["AY1", 1, 2]]})
    assert first == TimedPhone("AA", 1.0, pytest.approx(1.6), 1)
    assert second == TimedPhone("IH", pytest.approx(1.6), 2.0, 1)


def test_visemes_may_be_numbers_and_phones_without_length_are_left_out():
    phones = {"alphabet": "azure", "phones": [[21, 0, 0.1], [2, 0.1, 0.1]]}
    assert [phone.phoneme for phone in read_phones(phones)] == ["P"]


def test_phones_that_no_mouth_can_show_are_left_out():
    dense = [["oʊ" * 4, k / 5000, (k + 1) / 5000] for k in range(5000)]
    assert read_phones(dense) == []
    mixed = [["p", 0, 0.1], *dense[600:700], ["aɪ", 0.2, 0.21]]
    assert [phone.phoneme for phone in read_phones(mixed)] == ["P", "AA", "IH"]


def test_an_overlap_that_comes_from_rounding_is_cut():
    phones = read_phones([["p", 0.0, 0.101], ["a", 0.1, 0.2]])
    assert [(p.start_s, p.end_s) for p in phones] == [(0.0, 0.101), (0.101, 0.2)]


P = ["p", 0.1, 0.2]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("p", "phones are no list; send"),
        (None, "phones are no list"),
        ({"phones": {}}, "phones are no list"),
        ({"alphabet": "xsampa", "phones": [P]}, "'xsampa' is no alphabet of phones"),
        ({"alphabet": ["ipa"], "phones": [P]}, "that is no alphabet"),
        ([P, "p"], "phone 2 has not three values"),
        ([["p", 0.1]], "phone 1 has not three values"),
        ([[None, 0.1, 0.2]], "the symbol of phone 1 is no text"),
        ([["hɛləʊ wɜːld", 0.1, 0.9]], "phone 1, 'hɛləʊ wɜːld', has over 8"),
        ([["p", "0.1", 0.2]], "a time of phone 1 is no number of seconds"),
        ([["p", True, 2]], "a time of phone 1 is no number of seconds"),
        ([["p", 0.1, 10**400]], "a time of phone 1 is too large"),
        ([["p", 0.1, float("nan")]], "not finite"),
        ([["p", float("-inf"), 0.2]], "not finite"),
        ([["p", -0.1, 0.2]], "phone 1, 'p' starts at -0.1 s; times count from"),
        ([["p", 0.2, 0.1]], "ends at 0.1 s, before it starts at 0.2 s"),
        ([["p", 100, 120_000]], "ends at 120000 s; give times in seconds"),
        ([P, ["a", 0.15, 0.3]], "phone 2, 'a' starts at 0.15 s, before the end of"),
        ([P, ["Q1", 0.2, 0.3]], "phone 2, 'Q1' is no symbol of the alphabet ipa"),
        ([["AH0", 0, 1]], '"alphabet": "arpabet"'),
        ([["ˈ", 0, 1]], "'ˈ' is no symbol"),
        ([["\0", 0, 1]], "is no symbol of the alphabet ipa"),
        ({"alphabet": "azure", "phones": [["22", 0, 1]]}, "alphabet azure"),
        ([P] * 20_001, "20001 phones are too many"),
    ],
)
def test_a_bad_list_is_refused_with_a_reason(value, message):
    with pytest.raises(InvalidPhones) as error:
        read_phones(value)
    assert message in str(error.value)


def test_starts_of_symbols_become_phones_without_gaps():
    symbols = [("SIL",), ("AA", "IH"), ("T",), ("N",), ("SIL",)]
    starts_s, stresses = [0.2, 0.4, 0.9, 0.8, 1.0], [None, 1, 2, None, None]

    phones = phones_in_order(symbols, starts_s, 1.5, stresses)

    assert [phone.phoneme for phone in phones] == ["SIL", "AA", "IH", "N", "SIL"]
    assert phones[0] == TimedPhone("SIL", 0.0, 0.4)  # and what is before the first one
    assert [phone.stress for phone in phones] == [None, 1, 1, None, None]
    ends_s = [phone.end_s for phone in phones]
    assert [phone.start_s for phone in phones] == [0.0, *ends_s[:-1]]
    assert ends_s[2:] == [0.9, 1.0, 1.5]
    assert phones_in_order([], [], 1.5, []) == [TimedPhone("SIL", 0.0, 1.5)]
    assert phones_in_order([("P",)], [0.0], 1.5, [None]) == [("P", 0.0, 1.5, None)]


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner),
)


@given(json_values | st.lists(st.tuples(st.text(max_size=2), st.floats(), st.floats())))
def test_any_value_gives_phones_in_order_or_a_reason(value):
    try:
        phones = read_phones(value)
    except InvalidPhones as error:
        assert str(error)
        return
    until_s = 0.0
    for phone in phones:
        assert until_s <= phone.start_s < phone.end_s - 0.002
        until_s = phone.end_s
    assert json.dumps(phones)
