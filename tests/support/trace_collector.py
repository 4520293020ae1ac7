"""A collector of traces in a process of its own: takes OTLP over HTTP and writes each span as one line of JSON."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


def spans_in(body: bytes) -> list[dict[str, Any]]:
    """Every span of one request."""
    request = ExportTraceServiceRequest.FromString(body)
    return [
        {
            "service": {one.key: one.value.string_value for one in of_resource.resource.attributes}["service.name"],
            "name": span.name,
            "trace_id": span.trace_id.hex(),
            "span_id": span.span_id.hex(),
            "parent": span.parent_span_id.hex(),
            "links": [link.trace_id.hex() for link in span.links],
            "began": span.start_time_unix_nano,
            "ended": span.end_time_unix_nano,
            "said": {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in span.attributes},
        }
        for of_resource in request.resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]


class Handler(BaseHTTPRequestHandler):
    """Takes what is exported."""

    log: Path

    def do_POST(self) -> None:
        """One export."""
        assert self.path == "/v1/traces"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.log.open("a") as log:
            log.writelines(json.dumps(span) + "\n" for span in spans_in(body))
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what came is in the log already."""


if __name__ == "__main__":
    Handler.log = Path(sys.argv[2])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
