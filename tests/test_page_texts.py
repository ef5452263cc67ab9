"""Texts of the pages for values of the protocol."""

import re
from pathlib import Path

from protocol.lite.messages import EndReason

ERRORS = Path(__file__).parents[1] / "web" / "js" / "errors.js"


def test_the_pages_have_a_text_for_each_reason_of_an_end():
    texts = re.findall(r"^  ([A-Z_]+): \"", ERRORS.read_text(), re.M)
    assert {*texts} == {*EndReason} - {EndReason.UNKNOWN}
