"""How a sweep is cut into job arrays. Pure.

MaxArraySize limits an array's largest index, not its length, so each array counts from 0 and its
file says which runs those are.
"""


def plan_throttles(count: int, *, parallelism: int, largest_array: int) -> list[int | None]:
    """How many elements may run at once in each lane; arrays are dealt to the lanes in turn.

    An array begins when the one before it in its lane has ended, so that never more than
    `parallelism` runs are under way, whoever is still there to watch. Nothing to limit is None.
    """
    arrays = -(-count // largest_array)
    if parallelism >= count:
        return [None] * arrays
    lanes = min(arrays, parallelism)
    share, more = divmod(parallelism, lanes)
    return [share + (lane < more) for lane in range(lanes)]


def render_array(count: int, throttle: int | None) -> str:
    """Sbatch's `--array` for so many elements."""
    return f"0-{count - 1}" + (f"%{throttle}" if throttle is not None else "")


class Room:
    """How many runs to try to submit next, where nobody says how many the site takes.

    Halved by each refusal, doubled by each success. What was refused once is tried again as runs
    end, by as many as have; and now and then by more, because the limit counts other jobs, too.
    """

    PROBE_EVERY = 4

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._next = largest
        self._full_at: int | None = None
        self._refills = 0

    def begin(self, open_count: int) -> bool:
        """Whether to try at all now, with so many runs of the sweep in the queue."""
        if self._full_at is None:
            return True
        room = self._full_at - open_count
        if open_count and room < max(1, self._full_at // 4):
            return False
        self._refills += 1
        self._next = max(1, room)
        return True

    def size(self, waiting: int, open_count: int) -> int:
        """How many to try; 0 when the sweep has again as many in as the site took before."""
        full = self._full_at is not None and 0 < self._full_at <= open_count
        if full and self._refills % self.PROBE_EVERY:
            return 0
        return min(waiting, self._next, self._largest)

    def taken(self, size: int, open_count: int) -> None:
        """The site took so many; `open_count` includes them."""
        self._next = size * 2
        if self._full_at is not None and open_count > self._full_at:
            self._full_at = None  # others' jobs have gone

    def refused(self, size: int, open_count: int) -> bool:
        """The site has no room for so many; False when there is none for a single one."""
        if size == 1:
            self._full_at = open_count
            return False
        self._next = size // 2
        return True

    def too_long(self, size: int) -> None:
        """The site takes no array of so many elements, ever."""
        self._largest = self._next = max(1, size // 2)
