"""The site: wires the apps together and holds no rules of its own."""

from agentsite.celery import app as celery_app

__all__ = ["celery_app"]
