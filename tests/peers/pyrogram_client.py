"""Pyrogram against a test DC: makes a key, calls help.getConfig and prints what it got as one line of JSON."""

import hashlib

import pyrogram
import rsa as rsa_reader
from pyrogram import Client, raw
from pyrogram.connection import connection as pyrogram_connection
from pyrogram.connection.transport import TCPAbridged, TCPAbridgedO, TCPFull, TCPIntermediate, TCPIntermediateO
from pyrogram.crypto import rsa
from pyrogram.errors import RPCError
from pyrogram.raw.all import layer
from pyrogram.raw.core import Bytes
from pyrogram.session.internals import DataCenter

import peer

FRAMINGS = {
    # The one that it uses.
    "abridged": TCPAbridged,
    # The ones that it has.
    "full": TCPFull,
    "intermediate": TCPIntermediate,
    "obfuscated": TCPAbridgedO,
    "obfuscated-intermediate": TCPIntermediateO,
}


def minimal(number):
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def trust(path):
    """Replaces the built-in keys by the one in the file."""
    with open(path, "rb") as file:
        key = rsa_reader.PublicKey.load_pkcs1(file.read())
    digest = hashlib.sha1(Bytes(minimal(key.n)) + Bytes(minimal(key.e))).digest()
    rsa.server_public_keys.clear()
    rsa.server_public_keys[int.from_bytes(digest[-8:], "little", signed=True)] = rsa.PublicKey(key.n, key.e)


async def talk(args):
    trust(args.key)
    DataCenter.__new__ = lambda cls, dc_id, test_mode, ipv6, media: (args.host, args.port)
    pyrogram_connection.TCPAbridged = FRAMINGS[args.framing]

    client = Client("peer", api_id=1, api_hash="0" * 32, in_memory=True, no_updates=True)
    await client.connect()
    try:
        config = await client.invoke(raw.functions.help.GetConfig())
        nearest = await client.invoke(
            raw.functions.InvokeWithoutUpdates(query=raw.functions.help.GetNearestDc())
        )
        try:
            await client.invoke(raw.functions.updates.GetState())
            refusal = None
        except RPCError as error:
            refusal = f"{error.CODE} {error.ID}"
        key = await client.storage.auth_key()
        return peer.report(
            "pyrogram",
            pyrogram.__version__,
            layer,
            config,
            nearest_dc=nearest.nearest_dc,
            refusal=refusal,
            key_id=hashlib.sha1(key).digest()[-8:][::-1].hex(),
        )
    finally:
        await client.disconnect()


if __name__ == "__main__":
    peer.stay_on_loopback()
    peer.run(talk, peer.arguments(list(FRAMINGS)))
