"""The documents that are made from the code; `make docs` writes them, and tests compare them."""
