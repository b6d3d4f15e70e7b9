"""`python -m shellbuild`: the maintainers' command line."""

from shellbuild.cli import main

if __name__ == "__main__":
    main()
