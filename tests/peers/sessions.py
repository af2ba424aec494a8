"""Session strings of Telethon and Pyrogram, made and read by the libraries themselves.

Jobs come as a JSON list on stdin; what became of each goes as a JSON list to stdout, on one line.

    {"do": "make", "format": "telethon" or "pyrogram", "dc", "ip", "port", "key", "user_id", "bot", "api_id", "test_mode"}
    {"do": "read", "format", "text"}

`make` gives `{"text"}`, `read` the values or `{"error"}`. No connection is made.
"""

import argparse
import asyncio
import json
import sys

import peer


async def telethon(job):
    from telethon.crypto import AuthKey
    from telethon.sessions import StringSession

    if job["do"] == "make":
        session = StringSession()
        session.set_dc(job["dc"], job["ip"], job["port"])
        session.auth_key = AuthKey(bytes.fromhex(job["key"]))
        return {"text": session.save()}
    session = StringSession(job["text"])
    return {
        "dc": session.dc_id,
        "ip": session.server_address,
        "port": session.port,
        "key": session.auth_key and session.auth_key.key.hex(),
    }


async def pyrogram(job):
    from pyrogram import Client
    from pyrogram.storage import MemoryStorage

    if job["do"] == "make":
        # The name that older releases know as that of no session yet.
        storage = MemoryStorage(":memory:")
        await storage.open()
        await storage.dc_id(job["dc"])
        # Releases before 2.0 knew none.
        if hasattr(storage, "api_id"):
            await storage.api_id(job["api_id"])
        await storage.test_mode(job["test_mode"])
        await storage.auth_key(bytes.fromhex(job["key"]))
        await storage.user_id(job["user_id"])
        await storage.is_bot(job["bot"])
        text = await storage.export_session_string()
        await storage.close()
        return {"text": text}
    storage = Client("read", session_string=job["text"]).storage
    await storage.open()
    values = {
        "dc": await storage.dc_id(),
        "api_id": await storage.api_id(),
        "test_mode": bool(await storage.test_mode()),
        "key": (await storage.auth_key()).hex(),
        "user_id": await storage.user_id(),
        "bot": bool(await storage.is_bot()),
    }
    await storage.close()
    return values


async def work(jobs):
    results = []
    for job in jobs:
        try:
            results.append(await {"telethon": telethon, "pyrogram": pyrogram}[job["format"]](job))
        except Exception as error:  # noqa: BLE001, libraries throw what they like
            results.append({"error": f"{type(error).__name__}: {error}"})
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--timeout", type=float, default=30, help="seconds")
    timeout = parser.parse_args().timeout
    peer.stay_on_loopback()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    print(json.dumps(loop.run_until_complete(asyncio.wait_for(work(json.load(sys.stdin)), timeout))))
