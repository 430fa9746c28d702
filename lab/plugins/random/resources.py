"""The random resources. A change of any input replaces them; nothing else ever changes what they hold."""

import asyncio
import base64
import secrets
import string
import uuid
from collections.abc import Iterator
from typing import ClassVar

from lab.plugins.tables import Call, Input, Resource, Values

# `number`, the deprecated name of `numeric`, is left out on purpose.
_KEEPERS = Input(dict, replaces=True)
_CHARACTERS = {
    "Upper": string.ascii_uppercase,
    "Lower": string.ascii_lowercase,
    "Numeric": string.digits,
    "Special": "!@#$%&*()-_=+[]{}<>:?",
}
BCRYPT_ROUNDS, BCRYPT_BYTES = 10, 72


class RandomString(Resource):
    """A string of the wanted classes of characters; its ID is the string itself, so it is no secret."""

    inputs: ClassVar = {
        "length": Input(int, required=True, replaces=True),
        "keepers": _KEEPERS,
        "overrideSpecial": Input(replaces=True),
        **{kind.lower(): Input(bool, default=True, replaces=True) for kind in _CHARACTERS},
        **{f"min{kind}": Input(int, default=0, replaces=True) for kind in _CHARACTERS},
    }
    outputs: ClassVar = {"result": False, "number": False}

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        least = max(1, sum(inputs.get(f"min{kind}", 0) for kind in _CHARACTERS))
        if inputs.get("length", least) < least:
            yield "length", f"must be at least {least}: 1, and the sum of minUpper, minLower, minNumeric and minSpecial"
        if not any(inputs.get(kind.lower(), True) for kind in _CHARACTERS):
            yield "upper", "at least one of upper, lower, numeric and special must be true"

    async def create(self, call: Call) -> tuple[str, Values]:
        result = _string(call.inputs)
        return result, {"result": result, "number": call.inputs["numeric"]}


class RandomPassword(RandomString):
    """The same as a secret, with its bcrypt hash."""

    outputs: ClassVar = {"result": True, "bcryptHash": True, "number": False}

    async def create(self, call: Call) -> tuple[str, Values]:
        import bcrypt  # only who makes a password waits for it to load

        result = _string(call.inputs)
        text, salt = result.encode()[:BCRYPT_BYTES], bcrypt.gensalt(BCRYPT_ROUNDS)
        digest = await asyncio.to_thread(bcrypt.hashpw, text, salt)
        return "none", {"result": result, "bcryptHash": digest.decode(), "number": call.inputs["numeric"]}


class RandomId(Resource):
    """Random bytes in several spellings, none of them secret."""

    inputs: ClassVar = {
        "byteLength": Input(int, required=True, replaces=True),
        "prefix": Input(replaces=True),
        "keepers": _KEEPERS,
    }
    outputs: ClassVar = {"b64Std": False, "b64Url": False, "dec": False, "hex": False}

    async def create(self, call: Call) -> tuple[str, Values]:
        value = secrets.token_bytes(call.inputs["byteLength"])
        url = base64.urlsafe_b64encode(value).decode().rstrip("=")
        spellings = {
            "b64Std": base64.b64encode(value).decode(),
            "b64Url": url,
            "dec": str(int.from_bytes(value)),
            "hex": value.hex(),
        }
        return url, {name: call.inputs.get("prefix", "") + text for name, text in spellings.items()}


class RandomUuid(Resource):
    """A random UUID."""

    inputs: ClassVar = {"keepers": _KEEPERS}
    outputs: ClassVar = {"result": False}

    async def create(self, call: Call) -> tuple[str, Values]:
        result = str(uuid.UUID(bytes=secrets.token_bytes(16)))
        return result, {"result": result}


class RandomBytes(Resource):
    """Random bytes as secrets. The official plugin makes their base64 the resource's ID, which is in clear in state."""

    inputs: ClassVar = {"length": Input(int, required=True, replaces=True), "keepers": _KEEPERS}
    outputs: ClassVar = {"base64": True, "hex": True}

    async def create(self, call: Call) -> tuple[str, Values]:
        value = secrets.token_bytes(call.inputs["length"])
        spelling = base64.b64encode(value).decode()
        return spelling, {"base64": spelling, "hex": value.hex()}


RESOURCES: dict[str, Resource] = {
    "random:index/randomBytes:RandomBytes": RandomBytes(),
    "random:index/randomId:RandomId": RandomId(),
    "random:index/randomPassword:RandomPassword": RandomPassword(),
    "random:index/randomString:RandomString": RandomString(),
    "random:index/randomUuid:RandomUuid": RandomUuid(),
}


def _string(inputs: Values) -> str:
    classes = _CHARACTERS | ({"Special": inputs["overrideSpecial"]} if inputs.get("overrideSpecial") else {})
    result = [secrets.choice(letters) for kind, letters in classes.items() for _ in range(inputs[f"min{kind}"])]
    alphabet = "".join(letters for kind, letters in classes.items() if inputs[kind.lower()])
    result += [secrets.choice(alphabet) for _ in range(inputs["length"] - len(result))]
    secrets.SystemRandom().shuffle(result)
    return "".join(result)
