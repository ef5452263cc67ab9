"""Permission to speak by data stream."""

import pytest

from lite_gateway.datastream.permissions import SenderPermissions


@pytest.mark.parametrize(
    ("owner", "setting", "identity", "is_agent", "allowed"),
    [
        ("ada", "none", "ada", True, True),
        ("ada", "none", "eve", True, False),
        ("ada", "none", "eve", False, False),
        ("ada", "", "eve", False, False),
        ("ada", "any", "eve", False, True),
        ("ada", "bob, eve", "eve", False, True),
        ("ada", "bob, eve", "mallory", True, False),
        ("", "none", "eve", True, True),
        ("", "none", "eve", False, False),
        ("", "eve", "eve", False, True),
        ("", "none", "", False, False),
    ],
)
def test_permission_to_speak(owner, setting, identity, is_agent, allowed):
    permissions = SenderPermissions.parse(owner, setting)
    assert permissions.allows(identity, is_agent=is_agent) is allowed
