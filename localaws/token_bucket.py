"""A rate that AWS throttles by."""


class TokenBucket:
    """Lets `rate` calls a second through, and `burst` at once after a pause."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._filled_at: float | None = None

    def take(self, now: float) -> bool:
        """Take a token, if there is one at an instant given in seconds."""
        elapsed = 0.0 if self._filled_at is None else now - self._filled_at
        self._tokens = min(self._burst, self._tokens + elapsed * self._rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
