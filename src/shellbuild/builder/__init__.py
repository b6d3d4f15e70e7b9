"""Builds of shells, cached by everything that goes into them."""

from pathlib import Path

from shellbuild.builder.native import NativeRequest, build_native, make_native_request
from shellbuild.builder.pipeline import build, find_result
from shellbuild.builder.request import BuildRequest, make_request
from shellbuild.sanitize import Sanitize

__all__ = [
    "BuildRequest",
    "NativeRequest",
    "build",
    "build_native",
    "build_shell",
    "find_result",
    "make_native_request",
    "make_request",
]


def build_shell(
    name: str,
    *,
    patched: bool = True,
    release: str | None = None,
    target: str | None = None,
    sanitize: Sanitize | None = None,
) -> Path:
    """Give the path of a shell's binary in the cache, built first where it must be."""
    return (
        build(make_request(name, release=release, target=target, patched=patched, sanitize=sanitize)) / name
    )
