"""Processes of one session: started under the keeping of a supervisor, fed, watched, read and ended."""
