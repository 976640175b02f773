"""The admin: every model searchable; what is a record of what happened can be read, not changed."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import EmptyFieldListFilter
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.forms import ModelForm, MultipleChoiceField
from django.http import HttpRequest
from django.template.defaultfilters import linebreaksbr
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.text import Truncator
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from threads.access import is_operator, is_tester
from threads.deleting import delete_thread
from threads.models import (
    ApiKey,
    Blob,
    Chunk,
    Delta,
    Embedding,
    Feedback,
    File,
    InternalNote,
    Memory,
    Message,
    Process,
    ShareLink,
    Thread,
    ThreadMember,
    Tombstone,
    ToolCall,
    User,
)
from threads.models.api_key import Scope
from threads.permissions import PermissionsMixin

SHOWN = 30
# Who said what names nobody.
ROLES = (gettext_noop("assistant"), gettext_noop("user"))


def may_read(user: User) -> bool:
    """Whether they may see what was said in every thread."""
    return user.has_perm("threads.view_message") or is_operator(user) or is_tester(user)


def _words(message: Message) -> str:
    """A message in a few words."""
    calls = gettext("(%(number)s × tool)") % {"number": len(message.tool_call_ids)} if message.is_tool else "…"
    return Truncator(message.text).chars(1000) or (f"({message.error['message']})" if message.error else calls)


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(PermissionsMixin, DjangoGroupAdmin):
    """Groups of people."""


@admin.register(User)
class UserAdmin(PermissionsMixin, DjangoUserAdmin):
    """People."""

    fieldsets = (*DjangoUserAdmin.fieldsets, (_("Language and preferences"), {"fields": ("language", "time_zone", "preferences")}))  # type: ignore[misc]


class RecordAdmin(admin.ModelAdmin):
    """A record of what happened: shown, never edited."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Records are made by what happens."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """And stay as they are."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """They go with their thread."""
        return False


class MemberInline(admin.TabularInline):
    """Who may see a thread."""

    model = ThreadMember
    autocomplete_fields = ("user",)
    extra = 0


@admin.register(Thread)
class ThreadAdmin(admin.ModelAdmin):
    """Threads with their members."""

    list_display = ("__str__", "owner", "default_agent", "status", "kind", "version", "last_activity", "look_at_it")
    list_filter = (
        "status",
        "kind",
        "default_agent",
        ("human_wanted_at", EmptyFieldListFilter),
        ("assigned_to", EmptyFieldListFilter),
        ("deleted_at", EmptyFieldListFilter),
        "last_activity",
    )
    list_select_related = ("owner",)
    search_fields = ("title", "id", "owner__username")
    autocomplete_fields = ("owner", "assigned_to")
    readonly_fields = (
        "look_at_it",
        "conversation",
        "version",
        "sync_floor",
        "last_order",
        "last_step",
        "root",
        "parent",
        "fork_order",
        "kind",
        "last_activity",
        "created_at",
    )
    show_full_result_count = False
    inlines = (MemberInline,)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """What was said comes first."""
        said = ("look_at_it", "conversation")
        shown = said if may_read(request.user) else said[:1]  # type: ignore[arg-type]  # behind the admin's door
        if obj is None:  # it has nothing yet that is only shown
            return [(_("The thread"), {"fields": [name for name in self.get_fields(request) if name not in self.readonly_fields]})]
        rest = [name for name in self.get_fields(request, obj) if name not in said]
        return [(None, {"fields": shown}), (_("The thread"), {"fields": rest})]

    @admin.display(description=_("look at it"))
    def look_at_it(self, thread: Thread) -> str:
        """Where it can be read, and where it can be looked into."""
        links = (
            (reverse("thread", args=[thread.pk]), gettext("chat")),
            (reverse("playground-thread", args=[thread.pk]), gettext("playground")),
        )
        return format_html_join(" · ", '<a href="{}">{}</a>', links)

    @admin.display(description=_("conversation"))
    def conversation(self, thread: Thread) -> str:
        """What was said last, oldest first."""
        rows = thread.messages.select_related("author").filter(role__in=["user", "assistant"]).newest(SHOWN)
        said = ((row.author.name if row.author else row.agent_name or gettext(row.role), row.created_at, _words(row)) for row in rows)
        lines = (f"{name} · {timezone.localtime(at):%Y-%m-%d %H:%M}\n{text}" for name, at, text in said)
        return format_html(
            '<div class="conversation">{}</div>', format_html_join("", "<p>{}</p>", ((linebreaksbr(line),) for line in lines))
        )

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """With what is hidden behind it, and told to open pages."""
        delete_thread(obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """Each of them."""
        for thread in queryset:
            delete_thread(thread)


@admin.register(ThreadMember)
class ThreadMemberAdmin(admin.ModelAdmin):
    """Memberships."""

    list_display = ("user", "thread", "role")
    list_filter = ("role",)
    list_select_related = ("user", "thread")
    search_fields = ("user__username", "thread__title", "thread__id")
    autocomplete_fields = ("user", "thread")


@admin.register(Message)
class MessageAdmin(RecordAdmin):
    """What was said."""

    list_display = ("__str__", "thread", "author", "agent_name", "status", "model", "created_at")
    list_filter = ("role", "status", "agent_name", ("sent_by", EmptyFieldListFilter), "created_at")
    list_select_related = ("thread", "author")
    search_fields = ("id", "thread__id", "author__username", "agent_name")


@admin.register(Feedback)
class FeedbackAdmin(RecordAdmin):
    """What people think of answers."""

    list_display = ("__str__", "comment", "answer", "agent", "user", "created_at")
    list_filter = ("value", ("comment", EmptyFieldListFilter), "message__agent_name", "created_at")
    list_select_related = ("message__thread", "user")
    search_fields = ("comment", "message__thread__id", "user__username")
    date_hierarchy = "created_at"

    @admin.display(description=_("answer"))
    def answer(self, feedback: Feedback) -> str:
        """Its first words, leading to them."""
        message = feedback.message
        address = reverse("thread", args=[message.thread_id])
        return format_html('<a href="{}#message-{}">{}</a>', address, message.pk, Truncator(message.text).chars(80) or "…")

    @admin.display(description=_("agent"), ordering="message__agent_name")
    def agent(self, feedback: Feedback) -> str:
        """Whose answer it is."""
        return feedback.message.agent_name


@admin.register(ToolCall)
class ToolCallAdmin(RecordAdmin):
    """What agents did."""

    list_display = ("__str__", "run", "thread", "step", "index", "created_at", "ended_at")
    list_filter = ("status", "tool", "untrusted", "created_at")
    list_select_related = ("run", "thread")
    search_fields = ("id", "run__id", "thread__id", "tool", "provider_call_id")


@admin.register(Delta)
class DeltaAdmin(RecordAdmin):
    """Streams of the last minutes."""

    list_display = ("__str__", "run", "attempt", "step")
    list_select_related = ("run",)
    search_fields = ("run__id",)


@admin.register(Chunk)
class ChunkAdmin(RecordAdmin):
    """What search reads."""

    list_display = ("__str__", "message", "embedded_as")
    list_select_related = ("message",)
    search_fields = ("message__id", "text")


@admin.register(Embedding)
class EmbeddingAdmin(RecordAdmin):
    """Vectors."""

    list_display = ("__str__", "chunk")
    list_filter = ("model",)
    list_select_related = ("chunk",)
    search_fields = ("chunk__message__id",)
    exclude = ("vec",)


@admin.register(Memory)
class MemoryAdmin(admin.ModelAdmin):
    """What agents remember of people."""

    list_display = ("text", "user", "created_at")
    list_select_related = ("user",)
    search_fields = ("text", "user__username")
    autocomplete_fields = ("user", "thread")


class ApiKeyForm(ModelForm):
    """A key to be issued."""

    user: User
    scopes = MultipleChoiceField(label=_("Scopes"), choices=Scope.choices, initial=[Scope.WRITE])

    def clean_name(self) -> str:
        """A key takes the place of the one of its name."""
        name = str(self.cleaned_data["name"])
        if not self.user.is_superuser and ApiKey.objects.named(name).exclude(owner=self.user).exists():
            raise ValidationError(gettext("Somebody else has a key of this name."))
        return name


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin):
    """Keys are issued and revoked; nothing of one that exists can be changed, and the key itself is shown once."""

    form = ApiKeyForm
    fields = ("name", "owner", "scopes", "expires_at")
    list_display = ("name", "owner", "scopes", "start", "created_at", "last_used_at", "expires_at", "revoked_at")
    list_select_related = ("owner",)
    search_fields = ("name", "owner__username", "start")
    autocomplete_fields = ("owner",)
    actions = ("revoke",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Programs rely on what it may do; issue another one."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A revoked key stays, as a record."""
        return False

    def get_queryset(self, request: HttpRequest) -> Any:
        """Only superusers see the keys of others."""
        keys = super().get_queryset(request)
        return keys if request.user.is_superuser else keys.filter(owner=request.user.pk)

    def get_form(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        """The form knows who fills it in."""
        form: Any = super().get_form(request, *args, **options)
        form.user = request.user
        return form

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """A key may do what its owner may: only superusers issue them for others."""
        if db_field.name == "owner" and not request.user.is_superuser:
            options["queryset"] = User.objects.filter(pk__in=[request.user.pk])
        return super().formfield_for_foreignkey(db_field, request, **options)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        """Issue it, in place of a valid one of the same name."""
        key = ApiKey.objects.issue(obj.name, obj.owner, obj.scopes, obj.expires_at)
        obj.pk = ApiKey.objects.named(obj.name).get().pk
        self.message_user(request, gettext("The key, shown only now: %(key)s") % {"key": key}, messages.WARNING)

    @admin.action(description=_("Revoke the chosen keys"), permissions=["add"])
    def revoke(self, request: HttpRequest, queryset: Any) -> None:
        """Close what they have open, too."""
        self.message_user(request, gettext("%(number)s revoked.") % {"number": queryset.revoke()})


@admin.register(ShareLink)
class ShareLinkAdmin(RecordAdmin):
    """Links for anybody to read; deleting one takes it back."""

    list_display = ("__str__", "maker", "created_at", "expires_at")
    list_select_related = ("thread", "maker")
    search_fields = ("thread__id", "maker__username")
    exclude = ("token_hash",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may, by the usual permission."""
        return admin.ModelAdmin.has_delete_permission(self, request, obj)


@admin.register(File)
class FileAdmin(RecordAdmin):
    """What people and tools brought along; the bytes are in the conversations."""

    list_display = ("name", "media_type", "size", "touched_at", "created_at")
    list_filter = ("media_type",)
    list_select_related = ("blob",)
    search_fields = ("name", "id", "blob__sha256", "owners__username", "messages__thread__id")

    @admin.display(description=_("size"), ordering="blob__size")
    def size(self, file: File) -> int:
        """In bytes."""
        return file.blob.size


@admin.register(Blob)
class BlobAdmin(RecordAdmin):
    """Bytes in the storage."""

    list_display = ("sha256", "size", "touched_at")
    search_fields = ("sha256",)


@admin.register(InternalNote)
class InternalNoteAdmin(RecordAdmin):
    """What operators wrote for each other."""

    list_display = ("__str__", "thread", "author", "created_at")
    list_select_related = ("thread", "author")
    search_fields = ("text", "thread__id", "author__username")


@admin.register(Process)
class ProcessAdmin(RecordAdmin):
    """Who is there."""

    list_display = ("__str__", "started_at", "seen_at", "swept_at", "beat_at", "draining")
    list_filter = ("kind", "draining")
    search_fields = ("name",)


@admin.register(Tombstone)
class TombstoneAdmin(RecordAdmin):
    """What was deleted in the last day."""

    list_display = ("__str__", "thread", "version", "created_at")
    list_select_related = ("thread",)
    search_fields = ("row_id", "thread__id")
