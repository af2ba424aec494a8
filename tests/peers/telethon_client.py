"""Telethon against a test DC: makes a key, calls help.getConfig and prints what it got as one line of JSON."""

import telethon
from telethon import TelegramClient, functions
from telethon.crypto import rsa
from telethon.errors import RPCError
from telethon.network import connection
from telethon.sessions import MemorySession
from telethon.tl.alltlobjects import LAYER

import peer

FRAMINGS = {
    "full": connection.ConnectionTcpFull,
    "intermediate": connection.ConnectionTcpIntermediate,
    "abridged": connection.ConnectionTcpAbridged,
    # Abridged inside.
    "obfuscated": connection.ConnectionTcpObfuscated,
}


async def talk(args):
    with open(args.key, encoding="ascii") as file:
        pem = file.read()
    rsa._server_keys.clear()
    rsa.add_key(pem, old=False)

    session = MemorySession()
    session.set_dc(args.dc, args.host, args.port)
    client = TelegramClient(
        session,
        api_id=1,
        api_hash="0" * 32,
        connection=FRAMINGS[args.framing],
        connection_retries=1,
        request_retries=1,
        auto_reconnect=False,
        timeout=args.timeout,
    )
    await client.connect()
    try:
        config = await client(functions.help.GetConfigRequest())
        nearest = await client(functions.help.GetNearestDcRequest())
        try:
            await client(functions.updates.GetStateRequest())
            refusal = None
        except RPCError as error:
            # The message is the name of the class here.
            refusal = f"{error.code} {type(error).__name__}"
        return peer.report(
            "telethon",
            telethon.__version__,
            LAYER,
            config,
            nearest_dc=nearest.nearest_dc,
            refusal=refusal,
            key_id=f"{session.auth_key.key_id:016x}",
        )
    finally:
        await client.disconnect()


if __name__ == "__main__":
    peer.stay_on_loopback()
    peer.run(talk, peer.arguments(list(FRAMINGS)))
