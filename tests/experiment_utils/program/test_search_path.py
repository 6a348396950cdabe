"""In what order a job looks for modules."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from tmgg.experiment_utils.program.search_path import is_of_interpreter, joined

LIBRARY = ["/py/lib", "/py/site"]
_OWN = st.lists(st.sampled_from(["/a", "/b", "/c", "rel", ""]), unique=True, max_size=4)


@given(_OWN, _OWN)
def test_with_the_same_interpreter_it_is_the_order_of_the_one_that_submitted(
    before: list[str], after: list[str]
) -> None:
    submitted = [*before, *LIBRARY, *(entry for entry in after if entry not in before)]
    own = [entry for entry in submitted if entry not in LIBRARY]

    assert joined(submitted, own, LIBRARY) == submitted


def test_another_interpreters_folders_take_the_place_of_those_it_had() -> None:
    submitted = ["/script", *LIBRARY, "/editable"]

    found = joined(submitted, ["/script", "/editable"], ["/other/lib", "/other/site"])

    assert found == ["/script", "/other/lib", "/other/site", "/editable"]


def test_what_the_setup_commands_added_comes_before_the_interpreters_folders() -> None:
    found = joined(["/script", *LIBRARY], ["/script"], ["/setup", *LIBRARY])

    assert found == ["/script", "/setup", *LIBRARY]


def test_what_an_installed_package_put_there_hides_nothing() -> None:
    site = next(entry for entry in sys.path if entry.endswith("site-packages"))
    vendored = f"{site}/ray/thirdparty_files"

    assert joined(["/script", site], ["/script"], [vendored, site]) == ["/script", site, vendored]
    other = joined(["/script", *LIBRARY], ["/script"], [vendored, site])
    assert other == ["/script", site, vendored]


def test_the_interpreters_folders_are_known() -> None:
    of_interpreter = [entry for entry in sys.path if is_of_interpreter(entry)]

    assert any(entry.endswith("site-packages") for entry in of_interpreter)
    assert any(entry.endswith("lib-dynload") for entry in of_interpreter)
    assert not is_of_interpreter(f"{sys.prefix}/share/mine")
