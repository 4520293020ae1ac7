"""Assembly of the processes. This is the only package that names concrete classes."""
