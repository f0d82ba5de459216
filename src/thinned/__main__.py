"""`python -m thinned`: the command line."""

from thinned.cli import main

if __name__ == "__main__":
    main()
