"""Every HTTP address of the site; the sockets are in `agentsite/asgi.py`."""

from django.contrib import admin
from django.urls import path

from agents import pages
from agentsite import dashboard, operating
from agentsite.api import api
from billing import pages as billing_pages
from billing.webhooks import payments_webhook
from threads.pages import SignIn, SignOut, SignUp, choose_language, memories
from threads.sharing import shared, shared_file

urlpatterns = [
    path("", pages.home, name="home"),
    path("threads/new/", pages.new_thread, name="new-thread"),
    path("threads/<uuid:thread_id>/", pages.thread, name="thread"),
    path("inbox/", pages.inbox, name="inbox"),
    path("inbox/<uuid:thread_id>/", pages.inbox, name="inbox-thread"),
    path("shared/<str:token>/", shared, name="shared"),
    path("shared/<str:token>/files/<uuid:file_id>/", shared_file, name="shared-file"),
    path("public-files/<str:token>/", pages.public_file, name="public-file"),
    path("accounts/sign-in/", SignIn.as_view(), name="sign-in"),
    path("accounts/sign-up/", SignUp.as_view(), name="sign-up"),
    path("accounts/sign-out/", SignOut.as_view(), name="sign-out"),
    path("language/", choose_language, name="set-language"),
    path("manifest.webmanifest", pages.manifest, name="manifest"),
    path("healthz", operating.healthz),
    path("readyz", operating.readyz),
    path("metrics", operating.metrics),
    path("memories/", memories, name="memories"),
    path("usage/", billing_pages.usage, name="usage"),
    path("invoices/", billing_pages.invoices, name="invoices"),
    path("invoices/<uuid:invoice_id>/", billing_pages.invoice, name="invoice"),
    path("invoices/<uuid:invoice_id>/pdf/", billing_pages.invoice_file, name="invoice-file"),
    path("credit-notes/<uuid:note_id>/pdf/", billing_pages.credit_note_file, name="credit-note-file"),
    path("webhooks/payments/", payments_webhook),
    path("api/", api.urls),
    path("admin/overview/", admin.site.admin_view(dashboard.overview), name="admin-overview"),
    path("admin/playground/", admin.site.admin_view(pages.playground), name="playground"),
    path("admin/playground/threads/<uuid:thread_id>/", admin.site.admin_view(pages.playground), name="playground-thread"),
    path("admin/logout/", SignOut.as_view()),
    path("admin/", admin.site.urls),
]
