"""Opens RPC over HTTP v2 tunnels (MS-RPCH) with impacket, binds, and has requests echoed.

usage: rpc_tunnel.py URL DOMAIN USER PASSWORD TIMES

URL is that of rpcproxy.dll. Writes `ok` for each tunnel whose requests came back as they were sent, else why not.
"""

import sys

from impacket.dcerpc.v5.transport import HTTPTransport
from impacket.uuid import uuidtup_to_bin

# MS-OXCRPC: what Outlook asks for; the server need only say yes.
EMSMDB = uuidtup_to_bin(("A4F1DB00-CA47-1067-B31F-00DD010662DA", "0.81"))

url, domain, user, password, times = sys.argv[1:6]
for number in range(int(times)):
    transport = HTTPTransport("ex1", 6001)
    transport.set_rpc_proxy_url(url)
    transport.set_credentials(user, password, domain)
    try:
        rpc = transport.get_dce_rpc()
        rpc.connect()
        rpc.bind(EMSMDB)
        for size in (1, 100, 4000):
            sent = bytes(number % 256 for _ in range(size))
            rpc.call(0, sent)
            came = rpc.recv()
            assert came == sent, f"{size} bytes came back as {len(came)}"
        rpc.disconnect()
        print("ok")
    except Exception as error:  # whatever it was, the test wants to read it
        print(f"{type(error).__name__}: {error}")
