"""A wire that can be cut: forwards TCP connections to a server, until the test says otherwise."""

import contextlib
import socket
import threading
from pathlib import Path


class TcpProxy:
    """Forwards what comes to `port` to the server whose socket is *target*."""

    def __init__(self, target: Path) -> None:
        self._target = str(target)
        self._flowing = threading.Event()
        self._flowing.set()
        self._mute = threading.Event()
        self._ends: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self) -> None:
        """Swallow everything from now on, both ways, without closing anything: the network is gone."""
        self._flowing.clear()

    def release(self) -> None:
        """Pass on what was held, and what comes."""
        self._flowing.set()

    def mute(self) -> None:
        """Pass on what the clients say; close a connection instead of passing on the next answer."""
        self._mute.set()

    def unmute(self) -> None:
        """Pass on answers again."""
        self._mute.clear()

    def stop(self) -> None:
        """Close everything."""
        self._flowing.set()
        for end in (self._listener, *self._ends):
            _close(end)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self._target)
            except OSError:
                _close(server)
                _close(client)
                continue
            self._ends += [client, server]
            threading.Thread(target=self._pass_on, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, True), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self._flowing.wait()
                if is_answer and self._mute.is_set():
                    break
                sink.sendall(data)
        _close(source)
        _close(sink)


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
