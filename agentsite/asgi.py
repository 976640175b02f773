"""HTTP and sockets of the web process."""

import os
import sys

# The event loop waits for request threads that hold the interpreter; a tenth of the usual 5 ms is soon enough for frames.
sys.setswitchinterval(0.0005)
# Before the settings are read: this process gets a connection pool and a limit on how long a statement may run.
os.environ.setdefault("AGENTSITE_PROCESS", "web")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agentsite.settings")

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

from django.urls import path, re_path

from agentsite.feed import MeSocket, NoSuchSocket
from agentsite.serving import Requests, allow_large_messages
from threads.consumers import ThreadSocket

allow_large_messages()
requests = Requests(django_application)
requests.finish_before_the_end()
sockets = [
    path("ws/threads/<uuid:thread_id>/", ThreadSocket.as_asgi()),
    path("ws/me/", MeSocket.as_asgi()),
    re_path("", NoSuchSocket.as_asgi()),
]

application = ProtocolTypeRouter({"http": requests, "websocket": URLRouter(sockets)})
