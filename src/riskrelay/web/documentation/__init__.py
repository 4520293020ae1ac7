"""The documentation: Markdown pages, the API reference, the page of each error code, and search. All are public."""
