"""Build-and-release toolkit for patched shells.

Recipes -> sources -> patches -> toolchain -> build -> vendor. The command line is
`python -m shellbuild`; nox sessions only call it. The runtime (`shelltool`) never imports this.
"""
