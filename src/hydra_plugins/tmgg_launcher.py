"""Where Hydra finds TMGG's launcher: it looks for plugins in this namespace package only.

Every Hydra app of the environment imports this file, so it imports nothing heavy, and whatever is
wrong with it must not break them: Hydra turns an ImportError here into a warning, anything else
into a crash.
"""

from typing import Any

from hydra.core.plugins import Plugins

try:
    from tmgg.hydra_plugins import job_process, launcher_options
    from tmgg.hydra_plugins import tmgg_launcher as implementation

    launcher_options.store_tables()
    job_process.join_job_folder()
except Exception as error:
    raise ImportError(f"TMGG's launcher cannot be loaded: {error!r}") from error

# Hydra registers the classes it finds as members of this module, under the name of the module that
# defines them: this one for `_target_: tmgg.hydra_plugins.tmgg_launcher.TmggLauncher` ...
TmggLauncherItself = implementation.TmggLauncher


class TmggLauncher(implementation.TmggLauncher):
    """... and this one for `_target_: hydra_plugins.tmgg_launcher.TmggLauncher`."""


def _allow_own_target() -> None:
    """Let Hydra accept the first of the two names; it takes only `hydra_plugins.` by itself.

    `Plugins.is_in_toplevel_plugins_module` is all there is in its way (Hydra 1.3.2 to 1.3.8; 1.4
    has no such check). A rescan runs this file again, so what is already widened stays as it is.
    """
    check: Any = getattr(Plugins, "is_in_toplevel_plugins_module", None)
    if check is None or getattr(check, "allows_tmgg", False):
        return

    own_target = launcher_options.TARGET

    def widened(clazz: str) -> bool:
        return clazz == own_target or bool(check(clazz))

    widened.allows_tmgg = True  # type: ignore[attr-defined]
    Plugins.is_in_toplevel_plugins_module = staticmethod(widened)  # type: ignore[method-assign]


_allow_own_target()
