from importlib import import_module

from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "agentsite"
    verbose_name = "Site"

    def ready(self) -> None:
        """Register the checks and name things in the reader's language; both need every model loaded."""
        import_module("agentsite.checks")
        import_module("agentsite.names").translate_names()
