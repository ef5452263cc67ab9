"""The page of the API in a real browser."""

from collections.abc import Callable

import pytest

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Page, expect

from bench.probe.stack import Gateway

pytestmark = [pytest.mark.livekit, pytest.mark.browser]

Open = Callable[..., Page]
# Contrast of each badge and button of the page of the API, by its text.
CONTRASTS = r"""() => {
  const linear = (share) =>
    share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  const light = (colour) => {
    const [red, green, blue] = colour.match(/[0-9.]+/g).map((n) => linear(n / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05;
  };
  const behind = (each) => {
    const { backgroundColor } = getComputedStyle(each);
    if (!/rgba.* 0\)/.test(backgroundColor)) return backgroundColor;
    return each.parentElement ? behind(each.parentElement) : "rgb(255, 255, 255)";
  };
  const badges = ".opblock-summary-method, .info small pre, .authorize span";
  return Object.fromEntries([...document.querySelectorAll(badges)].map((each) => {
    const ratio = light(getComputedStyle(each).color) / light(behind(each));
    return [each.textContent.trim(), Math.max(ratio, 1 / ratio)];
  }));
}"""


def test_the_page_of_the_api_lists_its_operations_without_other_servers(
    open_page: Open, gateway: Gateway
) -> None:
    hosts = set()

    def record(page: Page) -> None:
        page.on("request", lambda request: hosts.add(request.url.split("/")[2]))

    page = open_page(prepare=record, path="/docs", live=False)
    expect(page.locator(".opblock-summary-path").first).to_be_visible()
    page.get_by_text("/v1/sessions/token").click()
    expect(page.get_by_role("button", name="Try it out")).to_be_visible()
    assert hosts == {gateway.url.removeprefix("http://")}
    seen = page.evaluate(CONTRASTS)
    assert {"GET", "POST", "PATCH", "DELETE", "Authorize", "OAS 3.1"} <= {*seen}
    assert min(seen.values()) >= 4.5, seen
