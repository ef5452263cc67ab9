"""Texts on connections that failed: the cause, and no address."""

import socket
import ssl
from types import SimpleNamespace

import pytest

from lite_gateway.foreign.connect_errors import connect_problem

ADDRESS = "('10.2.0.7', 7880)"
TLS = ssl.SSLError(1, f"[SSL] {ADDRESS}")
TLS.reason = "WRONG_VERSION_NUMBER"
ERRORS = {
    "the connection was refused": ConnectionRefusedError(111, f"failed {ADDRESS}"),
    "its name is not known": socket.gaierror(-2, f"Name not known {ADDRESS}"),
    "TLS failed (wrong version number)": TLS,
    "TLS failed (unknown reason)": ssl.SSLError(ADDRESS),
    "its TLS certificate is not valid": ssl.CertificateError(1, ADDRESS),
    "the connection failed (No route to host)": OSError(113, ADDRESS),
    "the connection failed (unknown reason)": OSError(ADDRESS),
}


@pytest.mark.parametrize(("problem", "error"), ERRORS.items())
def test_the_cause_is_told_without_an_address(problem, error):
    assert connect_problem(error) == problem
    of_a_library = SimpleNamespace(os_error=error)
    assert connect_problem(of_a_library) == problem


def test_another_error_is_left_to_the_caller():
    assert connect_problem(ValueError(ADDRESS)) is None
