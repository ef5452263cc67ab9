"""What a client asks about its account and ours: credits and languages."""

from fastapi import APIRouter
from pydantic import BaseModel

from lite_gateway.api.dependencies import Anyone
from lite_gateway.api.envelope import KEYED, Envelope, done

account = APIRouter(prefix="/v1", tags=["account"])

# Clients stop at zero, and some read no infinity.
PLENTY = "1000000000.00"
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


@account.get("/users/credits", responses=KEYED)
async def credits_left(_: Anyone) -> Envelope[Credits]:
    """A server of one's own has no credits: the figure is always the same."""
    return done(
        Credits(credits_left=PLENTY), "nothing is counted here: the figure never falls"
    )


@account.get("/languages")
async def languages() -> Envelope[list[Language]]:
    """Lips follow sound in any language; these are the ones clients ask for."""
    named = _LANGUAGES.items()
    return done([Language(language=name, code=code) for name, code in named])
