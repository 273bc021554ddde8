"""Asks over HTTP/2 and nothing else, by the h2 package.

usage: h2_get.py HOST PORT NAME PATH [FIELD:VALUE ...]

NAME is the server name and the authority. Writes one line: `status N`, `reset NAME`, `goaway NAME`, or `no-h2 PROTOCOL`
if the server did not agree to HTTP/2 at all.
"""

import socket
import ssl
import sys

import h2.connection
import h2.errors
import h2.events

host, port, name, path = sys.argv[1:5]
fields = [tuple(field.split(":", 1)) for field in sys.argv[5:]]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
context.set_alpn_protocols(["h2"])
link = context.wrap_socket(socket.create_connection((host, int(port)), timeout=20), server_hostname=name)
if link.selected_alpn_protocol() != "h2":
    print("no-h2", link.selected_alpn_protocol())
    sys.exit()
state = h2.connection.H2Connection()
state.initiate_connection()
request = [(":method", "GET"), (":authority", name), (":scheme", "https"), (":path", path)]
state.send_headers(1, request + [(own.lower(), value.strip()) for own, value in fields], end_stream=True)
while True:
    link.sendall(state.data_to_send())
    received = link.recv(65536)
    if not received:
        print("closed")
        sys.exit()
    for event in state.receive_data(received):
        if isinstance(event, h2.events.ResponseReceived):
            print("status", dict(event.headers)[b":status"].decode())
            sys.exit()
        if isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
            kind = "reset" if isinstance(event, h2.events.StreamReset) else "goaway"
            print(kind, h2.errors.ErrorCodes(event.error_code).name)
            sys.exit()
