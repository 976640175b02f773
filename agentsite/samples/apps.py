from django.apps import AppConfig


class SamplesConfig(AppConfig):
    name = "agentsite.samples"
    verbose_name = "Sample agents"
