"""
Weak vowels of aligned words.

Pocketsphinx's dictionary has AH both for the full vowel of "cut" and for the weak first
and last vowels of "agenda".  CMUdict distinguishes them by stress.  Here the weak vowel
is AX, as in Festival.
"""

from collections.abc import Sequence


def with_weak_vowels(
    names: Sequence[str], pronunciations: Sequence[list[str]]
) -> list[str]:
    """
    Replace AH by AX where CMUdict has a pronunciation without stress on it.

    Words such as "the" and "of" have both, and in a sentence they are unstressed. "to"
    has IH without stress as well, for the same vowel, which many people round. So IH is
    replaced too, where CMUdict has another pronunciation with a weak AH in its place.

    ``names`` are the phones of a word, ``pronunciations`` CMUdict's, with stress.
    """
    weak = {
        i
        for stressed in pronunciations
        if [phone.rstrip("012") for phone in stressed] == [*names]
        for i, phone in enumerate(stressed)
        if phone == "AH0"
        or (
            phone == "IH0"
            and [*stressed[:i], "AH0", *stressed[i + 1 :]] in pronunciations
        )
    }
    return ["AX" if i in weak else name for i, name in enumerate(names)]
