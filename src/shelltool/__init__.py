"""The runtime of the patched shells: escalation, rules, sandbox and the servers built on them.

Nothing here imports `shellbuild`; the arrows between the parts are in `docs/` and walked by a test.
"""
