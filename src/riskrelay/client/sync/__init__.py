"""The synchronous client. `make client` generates all but the transport from `riskrelay.client.aio`."""
