"""The HTTP server: uvicorn's HTTP/1.1 protocol with a deadline or a limit on everything that a client decides."""
