"""One user of Telethon at a test DC: does what lines of JSON on stdin say, and tells what it sees.

Each command is answered by one line with its `id`; what the server sends unasked are lines with
`event`. `mtcute_user.mjs` knows the same commands. It ends at the end of stdin, at `quit`, or
after `--timeout` seconds.
"""

import asyncio
import json
import sys

import telethon
from telethon import TelegramClient, events, functions, types
from telethon.crypto import rsa
from telethon.errors import RPCError, SessionPasswordNeededError
from telethon.network import connection
from telethon.sessions import StringSession

import peer

FRAMINGS = {
    "full": connection.ConnectionTcpFull,
    "intermediate": connection.ConnectionTcpIntermediate,
    "abridged": connection.ConnectionTcpAbridged,
    "obfuscated": connection.ConnectionTcpObfuscated,
}


def tell(**line):
    print(json.dumps(line), flush=True)


def message(m):
    return {
        "message": m.id,
        "from": m.sender_id,
        "chat": m.chat_id,
        "out": m.out,
        "text": m.message,
        "reply_to": m.reply_to_msg_id,
    }


class User:
    def __init__(self, args):
        self.args = args
        self.session = StringSession()
        self.session.set_dc(args.dc, args.host, args.port)
        self.client = None

    async def connect(self, session=None):
        if session:
            self.session = StringSession(session)
        client = TelegramClient(
            self.session,
            api_id=1,
            api_hash="0" * 32,
            connection=FRAMINGS[self.args.framing],
            connection_retries=1,
            request_retries=1,
            timeout=10,
            catch_up=True,
        )
        client.add_event_handler(self.on_message, events.NewMessage())
        client.add_event_handler(self.on_edit, events.MessageEdited())
        client.add_event_handler(self.on_delete, events.MessageDeleted())
        client.add_event_handler(self.on_read, events.MessageRead())
        client.add_event_handler(self.on_raw, events.Raw(types.UpdateUserTyping))
        self.client = client
        await client.connect()
        return {"authorized": await client.is_user_authorized()}

    async def on_message(self, event):
        tell(event="message", **message(event.message))

    async def on_edit(self, event):
        tell(event="edit", **message(event.message))

    async def on_delete(self, event):
        tell(event="delete", messages=event.deleted_ids)

    async def on_read(self, event):
        tell(event="read", chat=event.chat_id, max=event.max_id, outbox=event.outbox)

    async def on_raw(self, update):
        tell(event="typing", **{"from": update.user_id})

    async def sign_in(self, phone, code, password=None, wrong_code=None, wrong_password=None):
        """By the code, and the password if it is asked for; wrong ones first, if they are given."""
        said = {"refused": [], "password": False}
        await self.client.send_code_request(phone)
        try:
            if wrong_code:
                said["refused"].append(await refusal(self.client.sign_in(phone, wrong_code)))
            me = await self.client.sign_in(phone, code)
        except SessionPasswordNeededError:
            said["password"] = True
            if wrong_password:
                said["refused"].append(await refusal(self.client.sign_in(password=wrong_password)))
            me = await self.client.sign_in(password=password)
        return {**said, "user": me.id}

    async def sign_in_bot(self, token):
        me = await self.client.sign_in(bot_token=token)
        return {"user": me.id, "bot": me.bot}

    async def sign_up(self, phone, code, first_name):
        """The library's own way is gone: it only says so."""
        sent = await self.client.send_code_request(phone)
        client = self.client
        answer = await client(functions.auth.SignInRequest(phone, sent.phone_code_hash, code))
        required = isinstance(answer, types.auth.AuthorizationSignUpRequired)
        answer = await client(functions.auth.SignUpRequest(phone, sent.phone_code_hash, first_name, ""))
        me = await client._on_login(answer.user)
        return {"required": required, "user": me.id}

    async def me(self):
        me = await self.client.get_me()
        return {"user": me.id, "phone": me.phone, "username": me.username, "first_name": me.first_name}

    async def state(self):
        state = await self.client(functions.updates.GetStateRequest())
        return {"pts": state.pts, "qts": state.qts, "seq": state.seq}

    async def resolve(self, username):
        entity = await self.client.get_entity(username)
        return {"user": entity.id, "first_name": entity.first_name}

    async def full(self, username):
        full = await self.client(functions.users.GetFullUserRequest(username))
        return {"user": full.full_user.id, "about": full.full_user.about}

    async def import_contact(self, phone, first_name):
        contact = types.InputPhoneContact(client_id=1, phone=phone, first_name=first_name, last_name="")
        got = await self.client(functions.contacts.ImportContactsRequest([contact]))
        return {"users": [u.id for u in got.users]}

    async def send(self, to, text, reply_to=None):
        return message(await self.client.send_message(to, text, reply_to=reply_to))

    async def edit(self, chat, message_id, text):
        return message(await self.client.edit_message(chat, message_id, text))

    async def delete(self, chat, messages):
        got = await self.client.delete_messages(chat, messages)
        return {"pts_count": sum(part.pts_count for part in got)}

    async def read(self, chat):
        await self.client.send_read_acknowledge(chat)
        return {"read": True}

    async def typing(self, chat):
        peer_ = await self.client.get_input_entity(chat)
        return {"sent": await self.client(functions.messages.SetTypingRequest(peer_, types.SendMessageTypingAction()))}

    async def history(self, chat, limit=100):
        got = await self.client.get_messages(chat, limit=limit)
        return {"total": got.total, "messages": [message(m) for m in got]}

    async def search(self, chat, text):
        got = await self.client.get_messages(chat, search=text, limit=100)
        return {"messages": [message(m) for m in got]}

    async def dialogs(self):
        got = await self.client.get_dialogs()
        return {
            "dialogs": [
                {"chat": d.id, "name": d.name, "unread": d.unread_count, "last": d.message and d.message.message}
                for d in got
            ]
        }

    async def group(self, title, users):
        got = await self.client(functions.messages.CreateChatRequest(users, title))
        return {"chat": -got.updates.chats[0].id}

    async def supergroup(self, title, users):
        got = await self.client(functions.channels.CreateChannelRequest(title, "", megagroup=True))
        channel = got.chats[0]
        await self.client(functions.channels.InviteToChannelRequest(channel, users))
        return {"chat": telethon.utils.get_peer_id(channel)}

    async def session_text(self):
        return {"text": self.session.save()}

    async def drop(self):
        """Goes away with all that is under way; the session stays."""
        await self.client.disconnect()
        return {}

    async def sign_out(self):
        return {"signed_out": await self.client.log_out()}


async def refusal(call):
    try:
        await call
    except RPCError as error:
        return type(error).__name__
    return None


async def work(args):
    user = User(args)
    tell(event="ready", client="telethon", version=telethon.__version__)
    loop = asyncio.get_running_loop()
    stdin = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    while line := await stdin.readline():
        command = json.loads(line)
        number, do = command.pop("id"), command.pop("do")
        if do == "quit":
            break
        try:
            tell(id=number, **await getattr(user, do)(**command))
        except RPCError as error:
            tell(id=number, error=f"{error.code} {type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001, the other side has to hear of it
            tell(id=number, error=f"{type(error).__name__}: {error}")
    if user.client:
        await user.client.disconnect()


if __name__ == "__main__":
    args = peer.arguments(list(FRAMINGS))
    peer.stay_on_loopback()
    with open(args.key, encoding="ascii") as file:
        pem = file.read()
    rsa._server_keys.clear()
    rsa.add_key(pem, old=False)
    asyncio.run(asyncio.wait_for(work(args), args.timeout))
