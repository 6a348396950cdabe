"""How a sweep is cut into job arrays. Pure.

MaxArraySize limits an array's largest index, not its length. So each array counts from 0, and a
file of the array says which run each index is.
"""


def plan_throttles(count: int, *, parallelism: int, largest_array: int) -> list[int | None]:
    """How many elements may run at once in each lane; None means no limit.

    The arrays of a sweep go to the lanes in turn. An array begins when the array before it in its
    lane has ended. So at most `parallelism` runs are under way, even if the launcher has ended.
    """
    arrays = -(-count // largest_array)
    if parallelism >= count:
        return [None] * arrays
    lanes = min(arrays, parallelism)
    share, more = divmod(parallelism, lanes)
    return [share + (lane < more) for lane in range(lanes)]


def render_array(count: int, throttle: int | None) -> str:
    """The value of sbatch's `--array` for `count` elements."""
    return f"0-{count - 1}" + (f"%{throttle}" if throttle is not None else "")


class Room:
    """How many runs to try to submit next; no command says how many jobs the site takes.

    Each refusal halves the number, each success doubles it. Once the queue is full, as many runs
    are tried as have ended; now and then more are tried, because the limit counts other jobs, too.
    """

    PROBE_EVERY = 4

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._next = largest
        self._full_at: int | None = None
        self._refills = 0

    def begin(self, open_count: int) -> bool:
        """Whether to try to submit now, with `open_count` runs of the sweep in the queue."""
        if self._full_at is None:
            return True
        room = self._full_at - open_count
        if open_count and room < max(1, self._full_at // 4):
            return False
        self._refills += 1
        self._next = max(1, room)
        return True

    def size(self, waiting: int, open_count: int) -> int:
        """How many runs to try; 0 if as many are in the queue as when the site was full.

        Every PROBE_EVERY-th time, runs are tried all the same.
        """
        full = self._full_at is not None and 0 < self._full_at <= open_count
        if full and self._refills % self.PROBE_EVERY:
            return 0
        return min(waiting, self._next, self._largest)

    def taken(self, size: int, open_count: int) -> None:
        """Note that the site took `size` runs; `open_count` includes them."""
        self._next = size * 2
        if self._full_at is not None and open_count > self._full_at:
            self._full_at = None  # the limit counts other jobs, too, and some of them have ended

    def refused(self, size: int, open_count: int) -> bool:
        """Note that the site refused `size` runs. Returns False if it refused a single run."""
        if size == 1:
            self._full_at = open_count
            return False
        self._next = size // 2
        return True

    def too_long(self, size: int) -> None:
        """Note that the site never takes an array of `size` elements."""
        self._largest = self._next = max(1, size // 2)
