"""`{% overview %}`: the part of the admin's first page that changes, for who may see it."""

from typing import Any

from django import template

from agentsite.dashboard import SEE_RUNS, figures

register = template.Library()


@register.inclusion_tag("admin/overview.html", takes_context=True)
def overview(context: template.Context) -> dict[str, Any]:
    """As `agentsite.dashboard.overview`."""
    user = context["user"]
    return figures(user) if user.has_perm(SEE_RUNS) else {}
