"""Responses against the OpenAPI document, with Schemathesis: no 5xx, no surprise."""

import re
import uuid

import pytest
from hypothesis import HealthCheck, given, settings

from bench.probe.stack import request, running_gateway
from tests.e2e.calls import LEAN

pytestmark = [pytest.mark.livekit, pytest.mark.timeout(300)]

few_examples = settings(
    max_examples=8,  # of each operation
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_endpoints_with_security_refuse_requests_without_a_key(gateway):
    paths = gateway.get("/openapi.json").json()["paths"]
    count = 0
    for path, operations in paths.items():
        for method, operation in operations.items():
            if "security" in operation:
                for name in re.findall(r"{(\w+)}", path):
                    path = path.replace(f"{{{name}}}", str(uuid.uuid4()))
                response = request(method, gateway.url + path)
                assert response.status_code == 401, (method, path)
                count += 1
    assert count > 25


def test_responses_conform_to_the_openapi_document(livekit, tmp_path):
    import schemathesis  # takes a second, also where this test is only collected

    with running_gateway(
        *(livekit.url, livekit.key, livekit.secret, tmp_path / "log"),
        LITE_KEY_RATE="0",
        **LEAN,
    ) as gateway:
        schema = schemathesis.openapi.from_url(f"{gateway.url}/openapi.json")
        operations = [result.ok() for result in schema.get_all_operations()]
        assert len(operations) > 30
        failures = [
            failure
            for operation in operations
            if (failure := check_operation(operation, gateway.key))
        ]
        assert not failures, "\n\n".join(failures)
        log = gateway.log_path.read_text()
    assert "Traceback" not in log


def check_operation(operation, key: str) -> str:
    """Return the failures of one operation, empty if there are none."""
    from schemathesis import checks
    from schemathesis.specs.openapi import checks as described_by

    all_checks = [
        checks.not_a_server_error,
        described_by.status_code_conformance,
        described_by.content_type_conformance,
        described_by.response_headers_conformance,
        described_by.response_schema_conformance,
        described_by.use_after_free,
    ]

    @few_examples
    @given(case=operation.as_strategy())
    def send(case) -> None:
        case.call_and_validate(headers={"X-API-KEY": key}, checks=all_checks)

    try:
        send()
    except BaseException as error:  # groups of failures among them
        return f"{operation.label}: {error}"
    return ""
