"""Importing an experiment, without Python's garbage collector going over it again and again."""

import gc
import importlib
import sys
from types import ModuleType


def quick_import(name: str) -> ModuleType:
    """As `importlib.import_module`, for modules that bring much with them.

    What an import makes stays, and there is nothing to collect: with torch and Lightning, looking
    for garbage is a tenth of the time. Afterwards the collector leaves alone what is there already.
    """
    if name in sys.modules or not gc.isenabled():
        return importlib.import_module(name)
    gc.disable()
    try:
        module = importlib.import_module(name)
        gc.freeze()
    finally:
        gc.enable()
    return module
