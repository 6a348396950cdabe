"""How a sweep is cut into arrays, and how many runs are tried where no limit is known."""

from hypothesis import given
from hypothesis import strategies as st

from tmgg.experiment_utils.cloud.slurm.parsing import parse_elements, render_elements
from tmgg.experiment_utils.cloud.slurm.submit.array_plan import Room, plan_throttles, render_array

COUNTS = st.integers(1, 5000)


@given(count=COUNTS, parallelism=st.integers(1, 5000), largest=st.integers(1, 1001))
def test_never_more_than_parallelism_may_run_at_once(
    count: int, parallelism: int, largest: int
) -> None:
    throttles = plan_throttles(count, parallelism=parallelism, largest_array=largest)
    assert len(throttles) <= -(-count // largest)
    if parallelism < count:
        # The arrays of one lane follow each other, so the lanes' sum is what runs at most.
        assert sum(each or 0 for each in throttles) == parallelism
        assert min(each or 0 for each in throttles) >= 1
    else:
        assert set(throttles) == {None}


def test_an_array_counts_from_zero_and_has_a_throttle_where_there_is_something_to_limit() -> None:
    assert render_array(11, 4) == "0-10%4"
    assert render_array(1, None) == "0-0"


def fill(room: Room, waiting: int, limit: int, open_count: int = 0) -> tuple[list[int], int]:
    """Submit as much as a site of this limit takes; what was tried, and what is in then."""
    tried = []
    while waiting and (size := room.size(waiting, open_count)):
        tried.append(size)
        if open_count + size > limit:
            if not room.refused(size, open_count):
                break
            continue
        open_count, waiting = open_count + size, waiting - size
        room.taken(size, open_count)
    return tried, open_count


@given(limit=st.integers(1, 3000), waiting=st.integers(1, 5000), largest=st.integers(1, 1001))
def test_the_queue_is_filled_to_its_limit_in_few_tries(
    limit: int, waiting: int, largest: int
) -> None:
    room = Room(largest)
    assert room.begin(0)
    tried, filled = fill(room, waiting, limit)
    assert filled == min(limit, waiting)
    assert max(tried) <= largest
    assert len(tried) <= 40 + 2 * limit // largest


def test_a_full_queue_is_left_alone_until_a_quarter_of_it_has_ended() -> None:
    room = Room(1001)
    room.begin(0)
    assert fill(room, 5000, limit=400)[1] == 400
    assert not room.begin(399)
    assert not room.begin(301)
    assert room.begin(300)
    tried, filled = fill(room, 4600, limit=400, open_count=300)
    assert (tried, filled) == ([100], 400)


def test_room_that_others_had_filled_is_found_once_they_have_gone() -> None:
    room = Room(100)
    room.begin(0)
    assert fill(room, 50, limit=0) == ([50, 25, 12, 6, 3, 1], 0)
    assert room.begin(0)
    assert fill(room, 50, limit=1000)[1] == 50


def test_an_array_that_is_too_long_for_the_site_is_never_tried_again() -> None:
    room = Room(1001)
    room.begin(0)
    room.too_long(1001)
    assert room.size(5000, 0) == 500
    room.taken(500, 500)
    assert room.size(5000, 500) == 500


@given(st.sets(st.integers(0, 3000), min_size=1, max_size=200))
def test_elements_are_told_to_slurm_in_few_words_and_read_back(indices: set[int]) -> None:
    names = [f"77_{index}" for index in sorted(indices)]
    (word,) = render_elements(names)
    assert parse_elements(word) == names


def test_lists_of_elements_as_slurm_prints_them() -> None:
    assert parse_elements("1302_2") == ["1302_2"]
    assert parse_elements("1302_[6-8%4]") == ["1302_6", "1302_7", "1302_8"]
    assert parse_elements("1310_[1-7:2%2]") == ["1310_1", "1310_3", "1310_5", "1310_7"]
    assert parse_elements("1302_[3,7-8]") == ["1302_3", "1302_7", "1302_8"]
    assert parse_elements("1302_[1,3,...]") == ["1302_1", "1302_3"]
    assert parse_elements("1306") == ["1306"]
    assert render_elements(["5", "7_1", "7_2", "7_9", "8_4"]) == ["5", "7_[1-2,9]", "8_4"]
