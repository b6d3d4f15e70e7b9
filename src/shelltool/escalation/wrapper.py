"""The Python execve wrapper, for platforms without the compiled one: `python -I -S wrapper.py PATH ARGV0 [ARGUMENT…]`.

An exec waits for it, so the work is in `wrapping.py`, which Python keeps compiled, and the packages around it are not
imported. `write_python_wrapper` in `native.py` makes a program of this file that EXEC_WRAPPER can name.
"""

import sys

if __name__ == "__main__":
    _FOLDER = __file__.rpartition("/")[0]
    for _name, _path in (("shelltool", _FOLDER.rpartition("/")[0]), ("shelltool.escalation", _FOLDER)):
        sys.modules[_name] = type(sys)(_name)
        sys.modules[_name].__path__ = [_path]

from shelltool.escalation.wrapping import main

__all__ = ["main"]

if __name__ == "__main__":
    main(sys.argv[1:])
