"""Permissions as people read them: their names are rows, which Django writes in English."""

from typing import Any

from django.contrib.auth.models import Permission
from django.forms import ModelMultipleChoiceField
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_noop

# Those that Django makes for each model; ours are in the Meta of `Thread`.
USUAL = {
    "add": gettext_noop("Can add %(name)s"),
    "change": gettext_noop("Can change %(name)s"),
    "delete": gettext_noop("Can delete %(name)s"),
    "view": gettext_noop("Can view %(name)s"),
}
OURS = (
    gettext_noop("Can read every thread and answer in it"),
    gettext_noop("Can read every thread with all that is known of it, try prompts, and send some on behalf of others"),
)


def named(permission: Permission) -> str:
    """What it lets one do."""
    action, _, model = permission.codename.partition("_")
    found = permission.content_type.model_class()
    if found is None or action not in USUAL or model != found._meta.model_name:
        return gettext(permission.name)
    return gettext(USUAL[action]) % {"name": found._meta.verbose_name}


class PermissionsField(ModelMultipleChoiceField):  # type: ignore[type-arg]  # generic in the stubs only
    """Some of them."""

    def label_from_instance(self, obj: Any) -> str:
        """As Django has it, with the name in the reader's language."""
        return f"{obj.content_type} | {named(obj)}"


class PermissionsMixin:
    """Permissions are chosen by what they are called in one's language."""

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Of any other field as usual."""
        chosen = {"form_class": PermissionsField} if db_field.related_model is Permission else {}
        return super().formfield_for_manytomany(db_field, request, **options, **chosen)  # type: ignore[misc]  # beside Django's own
