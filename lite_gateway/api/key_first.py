"""Route class that checks a caller's credentials before it reads the body."""

from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from lite_gateway.api.json_body import ParsedRequest, read_json
from lite_gateway.long_steps import LongSteps

Check = Callable[[Request], Awaitable[object]]
Provider = TypeVar("Provider", bound=Callable[..., Any])
_checks: dict[Callable[..., Any], Check] = {}


def checked_first(check: Check) -> Callable[[Provider], Provider]:
    """
    Mark a dependency: routes that use it await ``check`` before they read the body.

    ``check`` raises `Refused`, or returns and leaves the decision to the dependency.
    """

    def mark(provider: Provider) -> Provider:
        _checks[provider] = check
        return provider

    return mark


class KeyFirstRoute(APIRoute):
    """
    Route of the API.

    FastAPI reads and parses a body before it runs the dependencies that look at the
    key. This route asks for the key first, and what follows is another long step of the
    event loop. This route also reads JSON that is sent without its content type, as
    ``curl -d`` does, and refuses text that is not valid Unicode.
    """

    def get_route_handler(
        self,
    ) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        checks = list(dict.fromkeys(_find_checks(self.dependant)))
        has_body = self.body_field is not None

        async def handle(request: Request) -> Response:
            steps: LongSteps = request.app.state.service.long_steps
            # A step that counts, but waits for nobody: else requests without a key
            # would queue in front of those with one.
            steps.begin()
            for check in checks:
                await check(request)
            await steps.wait()
            if has_body and (body := await request.body()):
                request = ParsedRequest(request, body, await read_json(request))
            return await handler(request)

        return handle


def _find_checks(dependant: Dependant) -> Iterator[Check]:
    for child in dependant.dependencies:
        yield from _find_checks(child)
    if dependant.call in _checks:
        yield _checks[dependant.call]
