"""Credits and languages: static answers for clients that ask before they start."""

from fastapi import APIRouter
from pydantic import BaseModel

from lite_gateway.api.dependencies import AnyPrincipal
from lite_gateway.api.envelope import AUTH_ERRORS, Envelope, ok
from lite_gateway.api.key_first import KeyFirstRoute

account = APIRouter(prefix="/v1", tags=["account"], route_class=KeyFirstRoute)

# Clients stop when credits reach 0, and some cannot parse Infinity.
CREDITS_LEFT = "1000000000.00"
_LANGUAGES = {
    "Arabic": "ar",
    "Bulgarian": "bg",
    "Chinese": "zh",
    "Croatian": "hr",
    "Czech": "cs",
    "Danish": "da",
    "Dutch": "nl",
    "English": "en",
    "Finnish": "fi",
    "French": "fr",
    "German": "de",
    "Greek": "el",
    "Hindi": "hi",
    "Hungarian": "hu",
    "Indonesian": "id",
    "Italian": "it",
    "Japanese": "ja",
    "Korean": "ko",
    "Malay": "ms",
    "Norwegian": "no",
    "Polish": "pl",
    "Portuguese": "pt",
    "Romanian": "ro",
    "Russian": "ru",
    "Slovak": "sk",
    "Spanish": "es",
    "Swedish": "sv",
    "Tamil": "ta",
    "Turkish": "tr",
    "Ukrainian": "uk",
    "Vietnamese": "vi",
}


class Credits(BaseModel):
    credits_left: str


class Language(BaseModel):
    language: str
    code: str


@account.get("/users/credits", responses=AUTH_ERRORS)
async def credits_left(_: AnyPrincipal) -> Envelope[Credits]:
    """Return a constant: this server does not count credits."""
    return ok(
        Credits(credits_left=CREDITS_LEFT),
        "this server does not count credits: the figure never changes",
    )


@account.get("/languages")
async def languages() -> Envelope[list[Language]]:
    """List languages for clients that let users choose one; lip sync works in any."""
    return ok([Language(language=name, code=c) for name, c in _LANGUAGES.items()])
