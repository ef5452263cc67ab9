"""Wrong credentials, counted by address, so that nobody can try many."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from lite_gateway.errors import Refused
from lite_gateway.http.connections import source_of
from lite_gateway.token_bucket import TokenBucket

BURST = 30  # wrong credentials in a row
PER_S = 0.5  # and then, on average
MAX_ADDRESSES = 4096  # the address that failed longest ago is forgotten first


class Guesses:
    """
    Failed attempts of each address.

    Right credentials are looked at first and always work: others behind the same proxy
    may have failed.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def check(self, address: str) -> None:
        """Raise `Refused` with 429 if ``address`` has failed too often."""
        bucket = self._buckets.get(source_of(address))
        wait_s = bucket.wait_s(self._now()) if bucket else 0.0
        if wait_s:
            raise Refused(
                429,
                "your address has sent too many wrong keys, tokens or ws_urls; try "
                f"again in {math.ceil(wait_s)} s",
                retry_s=wait_s,
            )

    def failed(self, address: str) -> None:
        """Count a failed attempt."""
        source = source_of(address)
        bucket = self._buckets.pop(source, None)
        if bucket is None:
            bucket = TokenBucket(BURST, PER_S, self._now())
            if len(self._buckets) >= MAX_ADDRESSES:
                self._buckets.popitem(last=False)
        bucket.acquire(self._now())
        self._buckets[source] = bucket
