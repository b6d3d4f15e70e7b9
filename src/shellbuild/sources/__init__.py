"""Sources: the trees that recipes pin, from git, an archive or the distribution, proven and cached."""

from shellbuild.sources.obtain import candidates, identity, obtain_source
from shellbuild.sources.tree import Provider, SourceTree, copy_tree

__all__ = ["Provider", "SourceTree", "candidates", "copy_tree", "identity", "obtain_source"]
