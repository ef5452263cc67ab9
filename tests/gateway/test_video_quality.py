"""Names and sizes of video qualities."""

import pytest

from lite_gateway.errors import Refused
from lite_gateway.video_quality import QUALITIES, parse_quality


def test_every_quality_has_even_sides():
    for quality in QUALITIES.values():
        assert quality.width % 2 == quality.height % 2 == 0
    assert parse_quality("512x512").bitrate == pytest.approx(1.5e6, rel=0.01)


@pytest.mark.parametrize("name", ["", "512", "511x512", "64x64", "4000x400", "x" * 99])
def test_invalid_size_is_refused_and_the_valid_ones_are_named(name):
    with pytest.raises(Refused, match="very_high"):
        parse_quality(name)
