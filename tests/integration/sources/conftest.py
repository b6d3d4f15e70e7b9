"""The cache, the environment and the web server that the unit tests of sources have."""

from unit.shellbuild.sources.conftest import cache, deaf_port, web

__all__ = ["cache", "deaf_port", "web"]
