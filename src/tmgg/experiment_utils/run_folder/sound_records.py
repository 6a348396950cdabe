"""Records that count as missing if they are damaged, or if strangers can write them."""

from pathlib import Path

from tmgg.errors import ForeignFileError, RecordError
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.files.looking import says_nothing
from tmgg.experiment_utils.files.trust import note_foreign, read_json


def read_sound(path: Path) -> JsonDict | None:
    """The JSON object in the file; None if the file is missing, damaged or not to be trusted.

    Raises OSError when the file system does not answer.
    """
    try:
        return read_json(path)
    except OSError as error:
        if says_nothing(error):
            raise
        return None
    except RecordError as error:
        if isinstance(error, ForeignFileError):
            note_foreign(error)
        return None


def text_in(record: JsonDict, name: str) -> str | None:
    """The value if it is a text that is not empty; None otherwise."""
    value = record.get(name)
    return value if isinstance(value, str) and value else None
