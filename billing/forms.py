"""What is filled in where the admin's own forms do not do."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from billing.models import CreditNote, Invoice
from billing.notes import refusal


class NoteForm(forms.ModelForm):
    """A credit note before it is one."""

    is_refunded = forms.BooleanField(required=False, label=_("Given back"), help_text=_("Some other way: it does not become credit."))

    class Meta:
        model = CreditNote
        fields = ("invoice", "net", "reason")

    def clean(self) -> dict[str, Any]:
        """Not more than the invoice has; nobody else takes off any meanwhile."""
        facts = super().clean() or {}
        if "invoice" in facts and "net" in facts:
            invoice = Invoice.objects.select_for_update().get(pk=facts["invoice"].pk)
            if refused := refusal(invoice, facts["net"]):
                raise forms.ValidationError({"net": refused})
        return facts
