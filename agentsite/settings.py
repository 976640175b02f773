"""The one page of settings. Everything that differs between machines comes from the environment; the README lists it."""

from pathlib import Path

from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from agentsite import env

BASE_DIR = Path(__file__).resolve().parent.parent
DEBUG = env.flag("DEBUG")
# "web" and "worker" are set by asgi.py and the worker's start; commands run without a pool and without a time limit.
PROCESS = env.text("AGENTSITE_PROCESS")

SECRET_KEY = env.text("SECRET_KEY", "debug-only-key" if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured("SECRET_KEY must be set (or DEBUG=1 for a development machine).")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]" if DEBUG else "")
DATA_DIR = Path(env.text("AGENTSITE_DATA_DIR", str(BASE_DIR / ".data")))

INSTALLED_APPS = [
    "daphne",  # first: it replaces runserver
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "servestatic",
    "csp",
    "ninja",
    "threads",
    "billing",
    "agents",
    "agentsite",
    "agentsite.samples",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "agentsite.middleware.in_their_terms",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "agentsite.middleware.api_errors",
    "agentsite.middleware.in_one_thread",
]

ROOT_URLCONF = "agentsite.urls"
ASGI_APPLICATION = "agentsite.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Databases ---------------------------------------------------------------------------------------------------------
DATABASES = {"default": env.database("DATABASE_URL", PROCESS, pool_size=9)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = env.url("REDIS_URL", "redis://127.0.0.1:6379/0", ("redis", "rediss", "unix"))
# Redis only wakes people up, so nobody waits for it: these are seconds until a publish or an enqueue gives up.
REDIS_TIMEOUT = 0.3
CHANNEL_LAYERS = {"default": {"BACKEND": "threads.layer.ChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}}

CELERY_BROKER_URL = REDIS_URL
# The worker's blocking read of the queue takes a second by itself.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 5 if PROCESS == "worker" else REDIS_TIMEOUT,
    "socket_connect_timeout": REDIS_TIMEOUT,
    "max_retries": 0,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]

# --- People ------------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "threads.User"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign-in"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]

# --- Agents ------------------------------------------------------------------------------------------------------------
AGENTS_MODULE = "agentsite.agents"
OPENAI_API_KEY = env.text("OPENAI_API_KEY")
OPENAI_BASE_URL = env.url("OPENAI_BASE_URL", "", ("http", "https"))
# Without a key and without a server of one's own the demo model answers.
MODEL = env.text("AGENTSITE_MODEL", "gpt-4o-mini" if OPENAI_API_KEY or OPENAI_BASE_URL else "demo")
# The windows of models, in tokens: of all that are not named, and by name.
CONTEXT_TOKENS = env.number("AGENTSITE_CONTEXT_TOKENS", 128_000, least=500)
MODEL_WINDOWS = env.numbers("AGENTSITE_MODEL_WINDOWS")
# What sums up, and finds titles; empty: the agent's own model.
SUMMARY_MODEL = env.text("AGENTSITE_SUMMARY_MODEL")
DESCRIBE_THREADS = env.flag("AGENTSITE_DESCRIBE_THREADS")
# Without OpenAI's own server there is no model that is surely there.
EMBEDDING_MODEL = env.text(
    "AGENTSITE_EMBEDDING_MODEL", "text-embedding-3-small" if OPENAI_API_KEY and not OPENAI_BASE_URL else "hashed-256"
)
EMBEDDING_DIMENSIONS = env.number("AGENTSITE_EMBEDDING_DIMENSIONS", 0)
REQUEST_LOG_DAYS = env.number("AGENTSITE_REQUEST_LOG_DAYS", 7, least=1)
DEMO_TOKENS_PER_SECOND = env.number("AGENTSITE_DEMO_TOKENS_PER_SECOND", 50, least=1)
STALL_SECONDS = env.number("AGENTSITE_STALL_SECONDS", 60, least=0.1, cast=float)
TIME_SLICE_SECONDS = env.number("AGENTSITE_TIME_SLICE_SECONDS", 300, least=1, cast=float)
TOOL_SECONDS = env.number("AGENTSITE_TOOL_SECONDS", 120, least=0.1, cast=float)
# A browser that is told to go away comes back after half a minute.
MAX_SOCKETS_PER_PERSON = env.number("AGENTSITE_MAX_SOCKETS", 100, least=1)
MAX_PROMPT_CHARS = env.number("AGENTSITE_MAX_PROMPT_CHARS", 100_000, least=1)

# --- Pages -------------------------------------------------------------------------------------------------------------
# An answer flows in with so many characters a second at first, and then as fast as it comes; 0: in bursts, as it comes.
SMOOTH_CHARS = env.number("AGENTSITE_SMOOTH_CHARS", 128)
LANGUAGE_CODE = "en"
# As was chosen in the page's settings, or as the browser asks for.
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},  # What people and tools bring along, in MEDIA_ROOT.
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "servestatic.storage.CompressedManifestStaticFilesStorage"
    },
}
SERVESTATIC_USE_FINDERS = DEBUG
MEDIA_ROOT = Path(env.text("AGENTSITE_FILES_DIR", str(DATA_DIR / "files")))
FILE_UPLOAD_PERMISSIONS, FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o600, 0o700
MAX_FILE_BYTES = env.number("AGENTSITE_MAX_FILE_MB", 20, least=1) * 1_000_000
# In one message.
MAX_FILES = env.number("AGENTSITE_MAX_FILES", 10, least=1)
# Where models' servers reach this site. Without it they are sent the bytes, so that a laptop needs no tunnel.
PUBLIC_URL = env.url("AGENTSITE_PUBLIC_URL", "", ("https", "http")).rstrip("/")
# A character takes up to 12 bytes: an emoji as two escapes.
MAX_BODY_BYTES = max(1_000_000, 12 * MAX_PROMPT_CHARS + 10_000)
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES

# --- Operation ---------------------------------------------------------------------------------------------------------
# Whoever sends it as a bearer token may read /metrics; without one nobody may.
METRICS_TOKEN = env.text("AGENTSITE_METRICS_TOKEN")

# --- Security ----------------------------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
if not DEBUG:
    SECURE_SSL_REDIRECT = env.flag("AGENTSITE_SSL_REDIRECT", True)
    if env.flag("AGENTSITE_BEHIND_PROXY"):
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    # Orchestrators ask over plain HTTP.
    SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

# --- Money -------------------------------------------------------------------------------------------------------------
# In which the site counts what it pays; the catalog's prices are in USD.
CURRENCY = env.currency("AGENTSITE_CURRENCY", "USD")
# What the numbers of invoices and of credit notes begin with, and who they are from.
INVOICE_SERIES = env.text("AGENTSITE_INVOICE_SERIES", "INV")
CREDIT_NOTE_SERIES = env.text("AGENTSITE_CREDIT_NOTE_SERIES", "CN")
INVOICE_FROM = env.text("AGENTSITE_INVOICE_FROM").replace("\\n", "\n")
# The API of a provider of payments, as Stripe has it; without one invoices are paid some other way.
PAYMENTS_URL = env.url("AGENTSITE_PAYMENTS_URL", "", ("https", "http")).rstrip("/")
PAYMENTS_KEY = env.text("AGENTSITE_PAYMENTS_KEY")
PAYMENTS_WEBHOOK_SECRET = env.text("AGENTSITE_PAYMENTS_WEBHOOK_SECRET")
if PAYMENTS_URL and not PAYMENTS_KEY:
    raise ImproperlyConfigured("AGENTSITE_PAYMENTS_URL needs AGENTSITE_PAYMENTS_KEY.")
# How much may happen in how many seconds, see `billing.models.Limit`; the admin changes them by name, and adds others.
RATE_LIMITS = env.flag("AGENTSITE_RATE_LIMITS", True)
MESSAGES, TOKENS = {"counts": "messages"}, {"counts": "tokens"}
LIMITS = {
    "sendMessage": {**MESSAGES, "per": "user", "kind": "window", "rate": 1, "period": 5, "capacity": 2},
    "globalSendMessage": {**MESSAGES, "per": "site", "kind": "bucket", "rate": 1000, "period": 60, "capacity": 1000, "shards": 8},
    "tokenUsagePerUser": {**TOKENS, "per": "user", "kind": "bucket", "rate": 2000, "period": 60, "capacity": 10_000},
    "globalTokenUsage": {**TOKENS, "per": "site", "kind": "bucket", "rate": 100_000, "period": 60, "capacity": 100_000, "shards": 8},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "lines": {"()": "threads.logs.Lines", "format": "%(asctime)s %(levelname)s %(name)s %(about)s%(message)s"},
        "json": {"()": "threads.logs.Json"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": env.choice("AGENTSITE_LOG_FORMAT", "LINES" if DEBUG else "JSON", ("LINES", "JSON")).lower(),
        }
    },
    "root": {"handlers": ["console"], "level": env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))},
    "loggers": {
        "django.channels.server": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
        "fontTools": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
    },
}
