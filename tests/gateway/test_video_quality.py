"""Names and sizes of video qualities."""

import pytest

from lite_gateway.errors import Refused
from lite_gateway.video_quality import QUALITIES, parse_quality


def test_every_quality_has_even_sides():
    for known in QUALITIES.values():
        assert known.width % 2 == known.height % 2 == 0
    assert parse_quality("512x512").bitrate == pytest.approx(1.5e6, rel=0.01)


@pytest.mark.parametrize("name", ["", "512", "511x512", "64x64", "4000x400", "x" * 99])
def test_a_size_that_cannot_be_is_refused_with_those_that_can(name):
    with pytest.raises(Refused, match="very_high"):
        parse_quality(name)
