"""Routes of the application, built before the first request."""

from lite_gateway.app import ROUTERS, routed_app


def test_the_routes_of_all_routers_stand_in_the_application_itself():
    """A router that is included would build its routes again at the first request."""
    routes = routed_app().router.routes
    for router in ROUTERS:
        assert router.routes
        assert all(route in routes for route in router.routes)
    assert all(hasattr(route, "path") for route in routes)
