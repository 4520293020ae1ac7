"""A receiver in a process of its own that verifies each SET when it comes, as slowly as a distant one.

    python -m support.caching_receiver PORT LOG JWKS_URL DELAY_MS

It keeps the JWKS for an hour, and fetches it again when a SET names a kid that is not in it: PyJWT's client does that.
Each line of LOG is one SET: {"kid", "alg", "problem", "path", "token"}; a SET that does not verify is refused for good.
"""

import asyncio
import json
import sys
from pathlib import Path

import jwt
from aiohttp import web


def caching_receiver(log: Path, keys: jwt.PyJWKClient, delay_seconds: float) -> web.Application:
    """The application."""
    file = log.open("a", buffering=1)

    def verified(token: str) -> dict[str, str]:
        header = jwt.get_unverified_header(token)
        seen = {"kid": header["kid"], "alg": header["alg"], "problem": ""}
        try:
            key = keys.get_signing_key_from_jwt(token)
            jwt.decode(token, key, algorithms=[header["alg"]], options={"verify_aud": False})
        except jwt.PyJWTError as error:
            return {**seen, "problem": f"{type(error).__name__}: {error}"}
        return seen

    async def receive(request: web.Request) -> web.Response:
        token = (await request.read()).decode()
        seen, _ = await asyncio.gather(asyncio.to_thread(verified, token), asyncio.sleep(delay_seconds))
        file.write(json.dumps({**seen, "path": request.path, "token": token}) + "\n")
        if seen["problem"]:
            return web.json_response({"err": "invalid_key", "description": seen["problem"]}, status=400)
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/{path:.*}", receive)
    return app


if __name__ == "__main__":
    client = jwt.PyJWKClient(sys.argv[3], cache_jwk_set=True, lifespan=3600, cooldown_duration=0)
    web.run_app(
        caching_receiver(Path(sys.argv[2]), client, int(sys.argv[4]) / 1000),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        print=lambda _: None,
        access_log=None,
    )
