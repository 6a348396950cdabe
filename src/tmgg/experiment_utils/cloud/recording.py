"""Writing records: a disk that does not take them is a refusal, because nothing was submitted."""

import contextlib
from collections.abc import Iterator

from tmgg.errors import RunExistsError, SubmissionError
from tmgg.experiment_utils.paths import RunPaths


@contextlib.contextmanager
def recording(paths: RunPaths) -> Iterator[None]:
    try:
        yield
    except RunExistsError:
        raise
    except OSError as error:
        raise SubmissionError(
            f"the record of run {paths.run_id!r} cannot be written in {paths.output_dir}: {error}. "
            "Nothing was submitted; make room there, or set another output_dir."
        ) from error
