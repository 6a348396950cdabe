"""The configs of `tmgg-experiment`, as a package so that Hydra finds them in any installation."""
