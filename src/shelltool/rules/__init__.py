"""Rules at work, for every server that runs commands under them: which are in force, and what they make of an exec.

Between `shelltool.execpolicy`, which knows no execs, and `shelltool.escalation`, which knows no rules; knows nothing of
the servers that use it.
"""
