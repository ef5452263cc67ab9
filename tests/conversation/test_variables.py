"""Variables of a context: found, replaced once, and never lost."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lite_gateway.conversation.variables import replace_variables, variable_names

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,63}", fullmatch=True)
# Texts that look like variables or parts of some, and all others.
plain = st.text("${}ab_1 \n\\\0") | st.text()
parts = st.lists(st.tuples(plain.filter(lambda text: "${" not in text), names))


@given(parts, plain.filter(lambda text: "${" not in text), st.data())
def test_each_variable_is_replaced_by_its_value_and_nothing_else_changes(
    pieces, end, data
):
    # A text that ends in "$" before "{" would make another variable.
    pieces = [(text.rstrip("$"), name) for text, name in pieces]
    values = {name: data.draw(plain) for _, name in pieces}
    template = "".join(f"{text}${{{name}}}" for text, name in pieces) + end
    expected = "".join(text + values[name] for text, name in pieces) + end
    assert replace_variables(template, values) == expected
    assert variable_names(template) == list(values)


@given(plain, st.dictionaries(names, plain))
def test_a_text_is_replaced_exactly_if_all_its_variables_have_values(text, values):
    missing = [name for name in variable_names(text) if name not in values]
    if missing:
        with pytest.raises(KeyError, match=re.escape(missing[0])):
            replace_variables(text, values)
    else:
        replace_variables(text, values)


@given(names, plain)
def test_a_value_that_looks_like_a_variable_is_not_replaced(name, text):
    value = f"{text}${{{name}}}"
    assert replace_variables(f"${{{name}}}", {name: value}) == value


@pytest.mark.parametrize(
    "text", ["$name", "${}", "${1a}", "${a b}", "${a-b}", "{a}", "${ä}", "${a" * 9]
)
def test_what_is_no_variable_stays(text):
    assert variable_names(text) == []
    assert replace_variables(text, {}) == text


def test_a_name_may_have_64_characters():
    assert variable_names("${" + "a" * 64 + "}") == ["a" * 64]
    assert variable_names("${" + "a" * 65 + "}") == []
