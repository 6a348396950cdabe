"""Found by Hydra in every app of this environment, like the launcher beside it: keep it light."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

try:
    from tmgg.hydra_plugins import profiles
except Exception as error:
    raise ImportError(f"TMGG's launcher profiles cannot be found: {error!r}") from error


class TmggSearchPath(SearchPathPlugin):
    """Adds the launchers that `tmgg-jobs setup` wrote for this user, after the app's own."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        if profiles.has_profiles():
            search_path.append(provider="tmgg", path=f"file://{profiles.profile_folder()}")
