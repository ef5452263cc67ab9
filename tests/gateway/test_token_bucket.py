from hypothesis import given, settings
from hypothesis import strategies as st

from lite_gateway.token_bucket import TokenBucket

no_deadline = settings(max_examples=60, deadline=None)
steps = st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=60)


@no_deadline
@given(st.integers(1, 600), steps)
def test_no_interval_has_more_requests_than_its_share_plus_one_minutes(rate, steps):
    bucket, now_s, granted_s = TokenBucket(rate, rate / 60, 0.0), 0.0, []
    for step_s in steps:
        now_s += step_s
        while bucket.acquire(now_s) == 0.0:
            granted_s.append(now_s)
            assert len(granted_s) < 20_000
        for since_s in granted_s[:1] + granted_s[-rate:][:1]:
            count = sum(time_s >= since_s for time_s in granted_s)
            assert count <= rate + (now_s - since_s) * rate / 60 + 1e-6


@no_deadline
@given(st.integers(1, 600), steps)
def test_a_request_after_the_returned_wait_is_granted(rate, steps):
    bucket, now_s = TokenBucket(rate, rate / 60, 0.0), 0.0
    for step_s in steps:
        now_s += step_s
        if wait_s := bucket.acquire(now_s):
            assert wait_s <= 60 / rate + 1e-6
            now_s += wait_s + 1e-6
            assert bucket.acquire(now_s) == 0.0
