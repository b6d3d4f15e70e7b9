"""Sources: the trees that recipes pin, from git, an archive or the distribution, proven and cached."""

from shellbuild.sources.obtain import AUTO, candidates, identity, obtain_source
from shellbuild.sources.tree import Provider, SourceTree, copy_tree

__all__ = ["AUTO", "Provider", "SourceTree", "candidates", "copy_tree", "identity", "obtain_source"]
