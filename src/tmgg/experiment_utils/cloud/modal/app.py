"""The deployed app: an image, and the function in it that runs parcels.

An app's name ends in a digest of everything in its image, such as the pinned packages and the code
that is sent with it. So a change of these deploys a new app, and runs that wait in Modal's queue
keep the code with which they were submitted. Deploying the same again changes nothing. An app costs
nothing while nothing runs in it.
"""

import hashlib
import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.modal.config import ModalConfig
from tmgg.experiment_utils.cloud.modal.requirements import pinned_requirements

DIGEST_LETTERS = 10
# These files of a package are not sent. All others are: TMGG also needs its configs and templates.
_IGNORED = ("**/__pycache__", "**/*.pyc")
_OWN_PACKAGE = "tmgg"


@dataclass(frozen=True, slots=True)
class AppPlan:
    """Everything that an app is made of. Equal plans make the same app."""

    app_name: str
    function_name: str
    python_version: str
    requirements: tuple[str, ...]
    packages: tuple[str, ...]
    config: ModalConfig


def plan_app(config: ModalConfig) -> AppPlan:
    """The plan for the options. Raises ConfigError for a local package that cannot be found."""
    python_version = f"{sys.version_info.major}.{sys.version_info.minor}"
    # Packages of these extras that are not installed here are left out.
    extras = ["experiments", "s3", *(["ray"] if config.nodes > 1 else [])]
    requirements = (*pinned_requirements(extras), *config.requirements)
    packages = (_OWN_PACKAGE, *config.local_packages)
    parts = {
        "python": python_version,
        "requirements": requirements,
        "apt": config.apt_packages,
        "base": config.base_image,
        # A call cannot choose a cluster's size and GPUs, so each choice has its own function.
        "cluster": (config.nodes, config.gpu) if config.nodes > 1 else None,
        "code": [_code_digest(package) for package in packages],
    }
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:DIGEST_LETTERS]
    return AppPlan(
        app_name=f"{config.app_name}-{digest}",
        function_name="run" if config.nodes == 1 else f"run_on_{config.nodes}_nodes",
        python_version=python_version,
        requirements=requirements,
        packages=packages,
        config=config,
    )


def build_app(plan: AppPlan) -> Any:
    """The app object that the SDK deploys."""
    import modal  # see Claims

    from tmgg.experiment_utils.cloud.modal import cluster, container

    app = modal.App(plan.app_name)
    options: dict[str, Any] = {
        "image": _image(plan),
        "name": plan.function_name,
        "include_source": False,  # the image has the source
    }
    if plan.config.nodes == 1:
        app.function(**options)(container.run_parcel)
    else:
        clustered = modal.clustered(size=plan.config.nodes)(cluster.run_parcel_on_cluster)
        app.function(gpu=plan.config.gpu, **options)(clustered)
    return app


def _image(plan: AppPlan) -> Any:
    import modal

    config = plan.config
    if config.base_image is None:
        image = modal.Image.debian_slim(python_version=plan.python_version)
    else:
        image = modal.Image.from_registry(config.base_image, add_python=plan.python_version)
    if config.apt_packages:
        image = image.apt_install(*config.apt_packages)
    image = image.uv_pip_install(*plan.requirements)
    # Last, because code changes often: added like this, it is not a layer of the image.
    return image.add_local_python_source(*plan.packages, ignore=list(_IGNORED))


def _code_digest(package: str) -> str:
    root = _folder_of(package)
    digest = hashlib.sha256(package.encode())
    for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _folder_of(package: str) -> Path:
    """The folder of a package, or the file of a module."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    if spec is not None and spec.origin and Path(spec.origin).is_file():
        return Path(spec.origin)
    raise ConfigError(
        f"local_packages names {package!r}, which cannot be imported here. Install it (pip "
        "install -e .) or start from its folder."
    )
