from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "agentsite"
    verbose_name = "Site"
