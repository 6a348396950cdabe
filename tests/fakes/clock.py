"""Time that passes only when somebody sleeps."""

from collections.abc import Callable

from tmgg.experiment_utils.cloud.runs_on_record.waiting import Clock


class FakeClock(Clock):
    """Sleeping returns at once and moves the time; what was planned for that time happens."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.naps_s: list[float] = []
        self._plans: list[tuple[float, Callable[[], None]]] = []

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        assert duration_s >= 0
        self.naps_s.append(duration_s)
        self.now_s += duration_s
        due = [plan for plan in self._plans if plan[0] <= self.now_s]
        self._plans = [plan for plan in self._plans if plan[0] > self.now_s]
        for _at_s, action in due:
            action()

    def after(self, delay_s: float, action: Callable[[], None]) -> None:
        """Call `action` in the first sleep that ends `delay_s` from now or later."""
        self._plans.append((self.now_s + delay_s, action))
