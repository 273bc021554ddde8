"""Logs in with NTLM inside SPNEGO (RFC 4178), as Windows clients without Kerberos do, by pyspnego.

usage: spnego_negotiate.py HOST PORT PATH USER PASSWORD

Writes a line for each answer: status and user.
"""

import base64
import http.client
import sys

import spnego

host, port, path, user, password = sys.argv[1:6]
context = spnego.client(
    user, password, hostname=host, service="http", protocol="negotiate", options=spnego.NegotiateOptions.use_negotiate
)
link = http.client.HTTPConnection(host, int(port), timeout=20)
token = context.step()
for _ in range(4):
    link.request("GET", path, headers={"Authorization": "Negotiate " + base64.b64encode(token).decode()})
    answer = link.getresponse()
    answer.read()
    print(answer.status, answer.getheader("X-Authenticated-User"), "wrapped" if token[:1] != b"N" else "raw")
    words = (answer.getheader("WWW-Authenticate") or "").split(" ")
    if answer.status != 401 or len(words) < 2:
        break
    token = context.step(base64.b64decode(words[1]))
