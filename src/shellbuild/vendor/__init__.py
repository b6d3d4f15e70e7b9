"""The vendor tree: `vendor/<target>/<shell>/<variant>/`, our own programs beside the shells, and `vendor/manifest.json`.

`assemble` builds and lays out, `merge` takes parts that were built elsewhere, `install` places one shell.
"""
