"""The processes that run, each with its settings."""

from datetime import datetime

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from riskrelay.ports import Node
from riskrelay.storage.tables import nodes

_THIS = nodes.c.node_id == bindparam("node")
_SEEN = update(nodes).where(_THIS).values(seen_at=bindparam("at"))
_LEAVE = delete(nodes).where(_THIS)
_DELETE_OLD = delete(nodes).where(nodes.c.seen_at < bindparam("moment"))
_SINCE = select(nodes).where(nodes.c.seen_at >= bindparam("moment")).order_by(nodes.c.started_at, nodes.c.node_id)


class NodeRows:
    """Implements ports.Nodes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def announce(self, node: Node) -> None:
        if self._connection.execute(_SEEN, {"node": node.node_id, "at": node.seen_at}).rowcount:
            return
        description = msgspec.json.encode({"role": node.role, "settings": node.settings}).decode()
        row = {
            "node_id": node.node_id,
            "started_at": node.started_at,
            "seen_at": node.seen_at,
            "description": description,
        }
        self._connection.execute(insert(nodes), row)

    def leave(self, node_id: str) -> None:
        self._connection.execute(_LEAVE, {"node": node_id})

    def seen_since(self, moment: datetime) -> list[Node]:
        found = []
        for row in self._connection.execute(_SINCE, {"moment": moment}):
            described = msgspec.json.decode(row.description)
            found.append(
                Node(
                    node_id=row.node_id,
                    role=described["role"],
                    started_at=row.started_at,
                    seen_at=row.seen_at,
                    settings=described["settings"],
                )
            )
        return found

    def delete_unseen_since(self, moment: datetime) -> None:
        self._connection.execute(_DELETE_OLD, {"moment": moment})
