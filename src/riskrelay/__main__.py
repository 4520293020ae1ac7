"""`python -m riskrelay`."""

from riskrelay.cli import main

if __name__ == "__main__":
    main()
