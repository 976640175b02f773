"""What only Python may do, done in the site's own environment: `python -m tests.chaos.hand` reads a line of JSON for each."""

import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agentsite.settings")
django.setup()

from threads.deleting import delete_messages  # noqa: E402  (apps have to be loaded first)
from threads.models import Message  # noqa: E402
from threads.saving import update_message  # noqa: E402

for line in sys.stdin:
    asked = json.loads(line)
    row = Message.objects.filter(pk=asked["message"]).first()
    # Deleted by the other hand a moment ago: there is nothing left to do.
    if row is not None and asked["do"] == "edit":
        update_message(row, content=asked["text"])
    elif row is not None:
        delete_messages(row.thread_id, [row.pk])
    print("done", flush=True)
