"""Reads streaming notifications of EWS with exchangelib, over NTLM.

usage: ews_streaming.py URL USER PASSWORD

URL is that of Exchange.asmx. Writes a line for each notification when it comes: the subscription and what happened.
"""

import sys
import warnings

from exchangelib import NTLM, Account, Configuration, Credentials, DELEGATE
from exchangelib.protocol import BaseProtocol, NoVerifyHTTPAdapter
from exchangelib.services import GetStreamingEvents
from exchangelib.version import EXCHANGE_2016, Version

warnings.filterwarnings("ignore")
BaseProtocol.HTTP_ADAPTER_CLS = NoVerifyHTTPAdapter
url, user, password = sys.argv[1:4]
config = Configuration(
    service_endpoint=url,
    credentials=Credentials(user, password),
    auth_type=NTLM,
    version=Version(EXCHANGE_2016),
)
account = Account("alice@lab.test", config=config, autodiscover=False, access_type=DELEGATE)
for notification in GetStreamingEvents(account=account).call(["subscription"], connection_timeout=1):
    for event in notification.events:
        print(notification.subscription_id, type(event).__name__, flush=True)
