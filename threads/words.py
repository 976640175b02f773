"""Numbers, and what the library that checks requests has to say, in the reader's language. Outside of a request that is English."""

from collections.abc import Mapping
from typing import Any

from django.utils.formats import get_format
from django.utils.translation import gettext, gettext_noop

# By pydantic's kinds of errors; in English its own words stand.
COMPLAINTS = {
    "missing": gettext_noop("Field required"),
    "extra_forbidden": gettext_noop("Extra inputs are not permitted"),
    "bool_parsing": gettext_noop("Input should be a valid boolean, unable to interpret input"),
    "bool_type": gettext_noop("Input should be a valid boolean"),
    "dict_type": gettext_noop("Input should be a valid dictionary"),
    "float_parsing": gettext_noop("Input should be a valid number, unable to parse string as a number"),
    "float_type": gettext_noop("Input should be a valid number"),
    "int_from_float": gettext_noop("Input should be a valid integer, got a number with a fractional part"),
    "int_parsing": gettext_noop("Input should be a valid integer, unable to parse string as an integer"),
    "int_type": gettext_noop("Input should be a valid integer"),
    "list_type": gettext_noop("Input should be a valid list"),
    "literal_error": gettext_noop("Input should be %(expected)s"),
    "string_type": gettext_noop("Input should be a valid string"),
    "string_too_long": gettext_noop("String should have at most %(max_length)s characters"),
    "string_too_short": gettext_noop("String should have at least %(min_length)s characters"),
    "greater_than": gettext_noop("Input should be greater than %(gt)s"),
    "greater_than_equal": gettext_noop("Input should be greater than or equal to %(ge)s"),
    "less_than": gettext_noop("Input should be less than %(lt)s"),
    "less_than_equal": gettext_noop("Input should be less than or equal to %(le)s"),
    "uuid_parsing": gettext_noop("Input should be a valid UUID"),
    "uuid_type": gettext_noop("Input should be a valid UUID"),
}


def complaint(problem: Mapping[str, Any]) -> str:
    """What is wrong, of one of pydantic's errors; in its own English words if we know no others."""
    own = str(problem["msg"])
    known = COMPLAINTS.get(problem["type"], "")
    said = gettext(known) if known else known
    context = {name: str(value).replace(" or ", gettext(" or ")) for name, value in problem.get("ctx", {}).items()}
    return own if said == known else said % context


def grouped(number: int) -> str:
    """`1,204`, in German `1.204`."""
    return localized(f"{number:,}")


def localized(figures: str) -> str:
    """English figures with the marks of the reader's language in them."""
    return figures.translate({ord(","): str(get_format("THOUSAND_SEPARATOR")), ord("."): str(get_format("DECIMAL_SEPARATOR"))})
