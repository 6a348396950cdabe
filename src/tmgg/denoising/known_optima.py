"""The optimum of a distribution: from the package, from the user's cache, or computed once.

`python -m tmgg.denoising.known_optima` computes the package's optima again and prints them.
"""

import contextlib
import dataclasses
import hashlib
import json
import logging
import math
import os
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

from tmgg.denoising.bayes import BayesExcess, bayes_excess
from tmgg.denoising.graphs import SbmConfig
from tmgg.denoising.noise import FlipNoise, NoiseConfig
from tmgg.denoising.posterior import MOST_PARTITIONS, partition_count

log = logging.getLogger(__name__)

_VERSION = 1  # of the method; values that another version computed do not count
_BY_HEART = "known_optima.json"


def optimum(config: SbmConfig, noise: NoiseConfig) -> BayesExcess:
    """Like `bayes_excess`, but use a value that is already known."""
    if partition_count(config) <= MOST_PARTITIONS:
        return bayes_excess(config, noise)
    question = describe(config, noise)
    return _by_heart(question) or _from_cache(question) or _anew(config, noise, question)


def describe(config: SbmConfig, noise: NoiseConfig) -> dict[str, Any]:
    """All that the optimum depends on, as plain JSON."""
    graphs = {field.name: getattr(config, field.name) for field in dataclasses.fields(SbmConfig)}
    named = {"name": type(noise).__name__, **dataclasses.asdict(noise)}
    value: dict[str, Any] = json.loads(
        json.dumps({"version": _VERSION, "graphs": graphs, "noise": named})
    )
    return value


def _anew(config: SbmConfig, noise: NoiseConfig, question: dict[str, Any]) -> BayesExcess:
    log.info(
        "computing the Bayes optimum of this distribution once; it is kept in %s "
        "(trainer.bayes=off does without)",
        _folder(),
    )
    found = bayes_excess(config, noise)
    with contextlib.suppress(OSError):  # if it cannot be written, it only costs time later
        _keep(question, found)
    return found


def _by_heart(question: dict[str, Any]) -> BayesExcess | None:
    known = json.loads(files("tmgg.denoising").joinpath(_BY_HEART).read_text())
    return next((_parse(item, question) for item in known if item["of"] == question), None)


def _from_cache(question: dict[str, Any]) -> BayesExcess | None:
    try:
        with _file(question).open() as stream:
            if os.fstat(stream.fileno()).st_uid != os.geteuid():
                return None  # another user's file
            return _parse(json.load(stream), question)
    except (OSError, ValueError):
        return None


def _parse(item: Any, question: dict[str, Any]) -> BayesExcess | None:
    """The stored value, if it is for this question."""
    if not isinstance(item, dict) or item.get("of") != question:
        return None
    try:
        found = BayesExcess(**item["excess"])
        values = (found.low, found.high, found.standard_error, found.gap)
        sound = all(map(math.isfinite, values)) and found.low <= found.high
    except (KeyError, TypeError):
        return None
    return found if sound else None


def _keep(question: dict[str, Any], found: BayesExcess) -> None:
    target = _file(question)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = json.dumps({"of": question, "excess": dataclasses.asdict(found)}, indent=1)
    descriptor, partial = tempfile.mkstemp(dir=target.parent, prefix=".")  # 0600
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text + "\n")
        Path(partial).replace(target)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def _file(question: dict[str, Any]) -> Path:
    digest = hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()
    return _folder() / f"{digest[:32]}.json"


def _folder() -> Path:
    return Path(os.environ.get("TMGG_HOME") or "~/.tmgg").expanduser() / "bayes"


def _main() -> None:
    asked = [(SbmConfig(), FlipNoise(eps=eps)) for eps in (0.1, 0.2, 0.3)]
    known = [
        {"of": describe(*pair), "excess": dataclasses.asdict(bayes_excess(*pair))} for pair in asked
    ]
    sys.stdout.write(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    _main()
