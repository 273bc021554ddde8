"""Logs in with requests_ntlm and asks so many times on one connection.

usage: ntlm_requests.py URL USER PASSWORD TIMES [unbound]

Writes a line for each answer: status, user and connection as the server named them. Over TLS the login is bound to the
certificate this client saw, unless told otherwise.
"""

import sys

import requests
import urllib3
from requests_ntlm import HttpNtlmAuth

urllib3.disable_warnings()
url, user, password, times = sys.argv[1:5]
with requests.Session() as client:
    client.auth = HttpNtlmAuth(user, password, send_cbt="unbound" not in sys.argv[5:])
    client.trust_env = False  # no proxies, no authorities of the machine
    client.verify = False
    for _ in range(int(times)):
        answer = client.get(url, timeout=20)
        headers = answer.headers
        print(answer.status_code, headers.get("X-Authenticated-User"), headers.get("X-Connection-Id"))
