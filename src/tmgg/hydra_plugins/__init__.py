"""The Hydra launcher; Hydra finds it through the namespace package `hydra_plugins`."""
