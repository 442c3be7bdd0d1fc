"""The route by which people log in. What else they send along to show who they are counts nothing there."""

import asyncio

from fastapi import APIRouter, Request
from pydantic import Field, model_validator

from framemill.api.asked import Parts
from framemill.api.auth import Keys
from framemill.api.convertrilo.encodes import Words
from framemill.api.urls import client_address

routes = APIRouter(prefix="/auth")


class Login(Words):
    """Who logs in."""

    email: str = Field(default="", max_length=320)
    """Their address, or their name."""
    name: str = Field(default="", max_length=200)
    """Instead of the address."""
    password: str = Field(min_length=1, max_length=1024)

    @model_validator(mode="after")
    def _is_somebody(self) -> "Login":
        if not (self.email or self.name):
            raise ValueError("say who you are: email")
        return self


@routes.post("/login")
async def login(asked: Login, parts: Parts, request: Request) -> dict[str, str]:
    """With a user's address, or name, and password."""
    keys: Keys = request.app.state.keys
    place = client_address(request, parts.trusted_proxies)
    opened = await asyncio.to_thread(keys.sessions.opened, asked.email or asked.name, asked.password, place)
    return {"accessToken": opened.token, "refreshToken": opened.refresh_token}
