"""One session of a client: every rule for its messages, and the answers to them.

A message that breaks a rule is reported, and refused as a server refuses it. The rules' names are
`msg_id.*`, `seq_no.*`, `container.*`, `salt`, `acks.*`, `init.*`, `bind.*`, `tl`, `call.*`.
"""

import os
import time

from . import api, crypto, tl
from . import messages as m

# A message's id lies so far behind and ahead of the server's time.
MAX_AGE, MAX_AHEAD = 300, 30
# A content-related message is acknowledged within this time in any case, …
ACK_WITHIN = 60
# … and with the next packet: of one that comes so much later it is certain that its sender had read
# the message, even on a loaded machine.
SURELY_READ = 5
# As long as the first notification is on its way, a client goes on with the old salt.
SALT_GRACE = 5
# A server remembers so many messages of one session; tests send fewer.
MAX_MESSAGES = 100_000

# Whether these have to be odd is for the client to say; the count goes by what it says.
SERVICE_REQUESTS = {
    m.PING,
    m.PING_DELAY_DISCONNECT,
    m.GET_FUTURE_SALTS,
    m.RPC_DROP_ANSWER,
    m.DESTROY_SESSION,
    m.DESTROY_AUTH_KEY,
    m.MSGS_STATE_REQ,
    m.MSG_RESEND_REQ,
    m.MSG_RESEND_ANS_REQ,
}
# These never are.
NOT_CONTENT = {m.MSGS_ACK, m.MSG_CONTAINER, m.MSG_COPY, m.MSGS_STATE_INFO, m.MSGS_ALL_INFO, m.PONG}


class Sent:
    """A message of ours."""

    def __init__(self, body, seq_no, expected):
        self.body = body
        self.seq_no = seq_no
        # The client has to acknowledge it.
        self.expected = expected
        self.times = 0
        self.acks = 0
        # Its acknowledgement was in a packet that was refused.
        self.again = False
        self.connection = self.packet = self.at = None

    @property
    def is_content(self):
        return self.seq_no & 1 == 1

    @property
    def is_missed(self):
        return self.expected and self.acks == 0


class Session:
    def __init__(self, server, key, session_id):
        self.server = server
        self.key = key
        self.id = session_id
        self.connection = None
        # What came.
        self.received = {}
        self.last_id = 0
        self.content = 0
        self.resynchronise = False
        self.refused_salt_at = None
        self.executed = {}
        # What went.
        self.sent = {}
        self.last_sent_id = 0
        self.content_sent = 0
        self.announced = False
        self.initialised = False

    def report(self, rule, detail):
        self.server.report(rule, detail, session=f"{self.id & (1 << 64) - 1:016x}")

    # What comes.

    def receive(self, connection, packet):
        """An opened packet."""
        if self.connection is not connection:
            # What was written to a stream that broke is counted by the client, not by us.
            self.resynchronise = self.connection is not None or self.server.cuts > 0
            self.connection = connection
        messages, code = self.judge(packet)
        if code is None and not self.key.is_salt(self.server.clock.now(), packet.salt):
            self.excuse_acks(messages)
            self.refuse_salt(packet)
            return
        self.refused_salt_at = None
        refusal = self.server.options["refuse"]
        if code is None and refusal and any(self.is_call(body) for _, _, body in messages):
            self.server.options["refuse"] = 0
            code = refusal
        if code is not None:
            self.excuse_acks(messages)
            self.send([(m.bad_msg(packet.msg_id, packet.seq_no, code), False)])
            return
        for msg_id, _, _ in messages:
            self.received[msg_id] = True
        if not self.announced:
            self.announced = True
            self.queue_new_session(packet)
        acked = []
        for msg_id, _, body in messages:
            try:
                self.execute(msg_id, body, acked)
            except tl.TlError as error:
                self.report("tl", f"{body[:4].hex()}: {error}")
        self.check_acks(acked)
        self.resend_unacknowledged()
        connection.flush(self)

    def judge(self, packet):
        """The messages of a packet, and the code with which it is refused, if it is."""
        constructor, problems = tl.constructor(packet.body), []
        numbered = [(packet.msg_id, packet.seq_no, packet.body)]
        messages = numbered
        if constructor == m.MSG_CONTAINER:
            try:
                messages = m.items(packet.body)
            except tl.TlError as error:
                self.report("container.form", str(error))
                return [], 64
            if len(messages) == 1:
                self.report("container.needless", "a container around one message")
            if any(tl.constructor(body) in (m.MSG_CONTAINER, m.MSG_COPY) for _, _, body in messages):
                self.report("container.nested", "a container in a container")
                return [], 64
            if packet.msg_id <= max(msg_id for msg_id, _, _ in messages):
                self.report("container.msg_id", "a container's id is not above those inside")
                problems.append(19)
            numbered = messages + numbered
        if set(packet.padding) == {0}:
            self.report("packet.padding", "the padding is not random")
        for msg_id, seq_no, body in numbered:
            problems += filter(None, [self.judge_id(msg_id), self.judge_seq_no(seq_no, body)])
            if len(body) > m.MAX_BODY and body is not packet.body:
                self.report("packet.size", f"a message of {len(body)} bytes")
        if len(self.received) > MAX_MESSAGES:
            problems.append(64)
        return messages, problems[0] if problems else None

    def judge_id(self, msg_id):
        if msg_id % 4:
            self.report("msg_id.parity", f"{msg_id} from a client")
            return 18
        age = self.server.clock.now() - (msg_id >> 32)
        if not -MAX_AHEAD <= age <= MAX_AGE:
            self.report("msg_id.window", f"an id lies {age:.0f} s in the past")
            return 16 if age > 0 else 17
        if msg_id & 0xFFFFFFFF == 0:
            self.report("msg_id.fraction", "an id without the fraction of its second")
        if msg_id <= self.last_id:
            self.report("msg_id.order", f"{msg_id} after {self.last_id}")
            return 19 if msg_id in self.received else None
        self.last_id = msg_id
        return None

    def judge_seq_no(self, seq_no, body):
        constructor = tl.constructor(body)
        odd = seq_no & 1 == 1
        if constructor in NOT_CONTENT and odd:
            self.report("seq_no.odd", f"{constructor:#010x} with the number {seq_no}")
            # A server bears the odd acknowledgements that some clients send, for it counts them.
            if constructor != m.MSGS_ACK:
                return 34
        if self.is_call(body) and not odd:
            self.report("seq_no.even", f"{constructor:#010x} with the number {seq_no}")
            return 35
        expected = 2 * self.content + odd
        if self.resynchronise and seq_no >= expected:
            self.content, expected = seq_no // 2, seq_no
        self.resynchronise = False
        self.content += odd
        if seq_no != expected:
            self.report("seq_no.count", f"{seq_no} instead of {expected}")
            self.content = seq_no // 2 + odd
            return 32 if seq_no < expected else 33
        return None

    def is_call(self, body):
        return tl.constructor(body) not in NOT_CONTENT | SERVICE_REQUESTS | {m.HTTP_WAIT}

    def refuse_salt(self, packet):
        now = time.monotonic()
        if packet.salt not in self.key.given:
            self.report("salt", f"{packet.salt} was never given")
        if self.refused_salt_at is not None and now - self.refused_salt_at > SALT_GRACE:
            self.report("salt", "a salt goes on being used that was refused")
        if self.refused_salt_at is None:
            self.refused_salt_at = now
        self.server.refused_salts += 1
        salt = self.key.salt(self.server.clock.now())
        self.send([(m.bad_salt(packet.msg_id, packet.seq_no, salt), False)])

    def execute(self, msg_id, body, acked):
        constructor, reader = tl.constructor(body), tl.Reader(body, 4)
        now = self.server.clock.now()
        if constructor == m.MSGS_ACK:
            ids = reader.longs()
            if not 0 < len(ids) <= m.MAX_IDS:
                self.report("acks.count", f"{len(ids)} ids")
            acked += ids
        elif constructor == m.PING:
            self.answer([(m.pong(msg_id, reader.i64()), False)])
        elif constructor == m.PING_DELAY_DISCONNECT:
            ping_id, delay = reader.i64(), reader.i32()
            if not 0 < delay <= 600:
                self.report("call.delay", f"ping_delay_disconnect with {delay} s")
            self.connection.disconnect_after(delay)
            self.answer([(m.pong(msg_id, ping_id), False)])
        elif constructor == m.PONG:
            request, ping_id = reader.i64(), reader.i64()
            if self.key.pings.pop(request, None) != ping_id:
                self.report("pong", "a pong to no ping of ours")
            self.server.pongs += 1
        elif constructor == m.GET_FUTURE_SALTS:
            count = reader.i32()
            if not 1 <= count <= 64:
                self.report("call.future_salts", f"{count} salts wanted")
            salts = self.key.future_salts(now, min(max(count, 1), 64))
            self.answer([(m.future_salts(msg_id, int(now), salts), False)])
        elif constructor == m.MSGS_STATE_REQ:
            ids = reader.longs()
            if len(ids) > m.MAX_IDS:
                self.report("call.state", f"{len(ids)} ids")
            info = tl.u32(m.MSGS_STATE_INFO) + tl.i64(msg_id) + tl.string(bytes(map(self.state, ids)))
            self.answer([(info, False)])
        elif constructor == m.MSGS_STATE_INFO:
            request, info = reader.i64(), reader.bytes()
            expected = self.key.questions.pop(request, None)
            if expected is None or bytes(state & 7 for state in info) != expected:
                self.report("state", f"{info.hex()} instead of {expected and expected.hex()}")
            self.server.states += 1
        elif constructor == m.MSGS_ALL_INFO:
            if len(reader.longs()) != len(reader.bytes()):
                self.report("state", "ids and states differ in number")
        elif constructor == m.MSG_RESEND_REQ:
            for wanted in reader.longs():
                if wanted not in self.sent:
                    self.report("call.resend", f"{wanted} was never sent")
                else:
                    self.write(wanted)
        elif constructor == m.RPC_DROP_ANSWER:
            reader.i64()
            self.answer([(m.rpc_result(msg_id, tl.u32(m.RPC_ANSWER_UNKNOWN)), True)])
        elif constructor == m.DESTROY_SESSION:
            other = reader.i64()
            found = other != self.id and self.key.sessions.pop(other, None) is not None
            kind = m.DESTROY_SESSION_OK if found else m.DESTROY_SESSION_NONE
            self.answer([(tl.u32(kind) + tl.i64(other), False)])
        elif constructor == m.DESTROY_AUTH_KEY:
            self.server.keys.pop(self.key.id, None)
            self.answer([(tl.u32(m.DESTROY_AUTH_KEY_OK), False)])
        elif constructor == m.HTTP_WAIT:
            raise tl.TlError("http_wait over TCP")
        else:
            self.call(msg_id, body)
            return
        reader.end()

    def state(self, msg_id):
        if msg_id in self.received:
            return 4
        return 3 if msg_id > self.last_id else 2

    def call(self, msg_id, body):
        call = api.parse(body, self.report)
        self.server.calls += 1
        if call.gzipped:
            self.server.gzipped += 1
        if msg_id in self.executed:
            # Never twice: the id was reported, and the answer is repeated.
            self.write(self.executed[msg_id])
            return
        if isinstance(call.query, api.BindTempAuthKeyRequest):
            if call.init or call.layer is not None:
                self.report("bind.init", "the binding is wrapped")
            result = self.bind(msg_id, call.query)
        elif self.key.is_temporary and self.key.perm is None:
            self.report("bind.first", f"{call.name} under a temporary key that is not bound")
            if api.is_allowed_unbound(call.query):
                result = api.answer(call.query, self.server)
            else:
                result = api.error(401, "AUTH_KEY_PERM_EMPTY")
        elif not self.initialised and not (call.init and call.layer is not None):
            self.report("init.missing", f"{call.name} before initConnection was answered")
            result = api.error(400, "CONNECTION_NOT_INITED")
        else:
            result = api.answer(call.query, self.server)
            self.initialised = True
        attack = self.server.evil.at("answer", None)
        if attack is not None:
            attack(Answering(self, msg_id, result))
            return
        self.answer_call(msg_id, result)

    def bind(self, msg_id, query):
        """`auth.bindTempAuthKey`: every field, inside and outside."""
        problem = self.problem_of_binding(msg_id, query)
        if problem:
            self.report("bind.form", problem)
            return api.error(400, "ENCRYPTED_MESSAGE_INVALID")
        self.key.perm = self.server.keys[query.perm_auth_key_id]
        self.server.binds += 1
        return tl.u32(tl.BOOL_TRUE)

    def problem_of_binding(self, msg_id, query):
        perm = self.server.keys.get(query.perm_auth_key_id)
        message = query.encrypted_message
        if not self.key.is_temporary:
            return "under a permanent key"
        if self.key.perm is not None:
            return "bound already"
        if perm is None or perm.is_temporary:
            return "to a key that is not permanent"
        if len(message) != 104 or message[:8] != tl.i64(perm.id):
            return f"{len(message)} bytes, or another key"
        opened = crypto.open_bind_message(perm.data, message)
        if not opened["authentic"]:
            return "the message key is wrong"
        if (opened["seq_no"], opened["length"]) != (0, 40):
            return f"seq_no {opened['seq_no']}, length {opened['length']}"
        if opened["msg_id"] != msg_id:
            return "the id inside is another"
        inner = tl.Reader(opened["body"])
        inner.id(0x75A3F765, "bind_auth_key_inner")
        fields = (inner.i64(), inner.i64(), inner.i64(), inner.i64(), inner.i32())
        # Telethon makes a date of it.
        expires_at = int(query.expires_at.timestamp())
        wanted = (query.nonce, self.key.id, perm.id, self.id, expires_at)
        if fields != wanted:
            return f"{fields} inside, {wanted} expected"
        # The client may end the key a little early, never late.
        if not self.server.clock.now() < expires_at <= self.key.expires_at:
            return f"expires at {expires_at}, the key at {self.key.expires_at}"
        return None

    def check_acks(self, ids):
        """Each names a content-related message of ours, once for each time that it was sent; and who
        has read one has read all before it on the same stream."""
        newest = -1
        for msg_id in ids:
            sent = self.sent.get(msg_id)
            if sent is None:
                self.report("acks.unknown", f"{msg_id} was never sent")
                continue
            sent.acks += 1
            if not sent.is_content or sent.acks > sent.times:
                self.report("acks.needless", f"{msg_id}, sent {sent.times} times, seq_no {sent.seq_no}")
            if sent.connection is self.connection and not sent.again:
                newest = max(newest, sent.packet)
        now = time.monotonic()
        for msg_id, sent in self.sent.items():
            if sent.is_missed and sent.connection is self.connection and not sent.again:
                if sent.packet <= newest:
                    self.report("acks.skipped", f"{msg_id}, but one after it was acknowledged")
                    sent.expected = False
                elif now - sent.at > SURELY_READ:
                    self.report("acks.late", f"{msg_id} was not acknowledged with the next packet")
                    sent.expected = False

    def excuse_acks(self, messages):
        """What was acknowledged in a packet that is refused comes again, after what came with others."""
        for _, _, body in messages:
            if tl.constructor(body) == m.MSGS_ACK:
                try:
                    ids = tl.Reader(body, 4).longs()
                except tl.TlError:
                    continue
                for sent in filter(None, map(self.sent.get, ids)):
                    sent.again = True

    def check_time(self):
        """Called now and then while the stream is open."""
        for msg_id, sent in self.sent.items():
            if sent.is_missed and sent.connection is self.connection:
                if time.monotonic() - sent.at > ACK_WITHIN:
                    self.report("acks.late", f"{msg_id} was not acknowledged within {ACK_WITHIN} s")
                    sent.expected = False

    def missed(self):
        return sum(sent.is_missed for sent in self.sent.values())

    # What goes.

    def next_id(self, response):
        """An id of the server's clock."""
        msg_id = int(self.server.clock.now() * (1 << 32)) & ~3
        if msg_id <= self.last_sent_id:
            msg_id = (self.last_sent_id & ~3) + 4
        self.last_sent_id = msg_id | (1 if response else 3)
        return self.last_sent_id

    def number(self, body, content, response=True, expected=None):
        """Gives a message an id and a number; returns the id."""
        msg_id = self.next_id(response)
        seq_no = 2 * self.content_sent + content
        self.content_sent += content
        self.sent[msg_id] = Sent(body, seq_no, content if expected is None else expected)
        return msg_id

    def seal(self, msg_id, seq_no, body, **overrides):
        fields = dict(
            salt=self.key.salt(self.server.clock.now()),
            session_id=self.id,
            msg_id=msg_id,
            seq_no=seq_no,
            body=body,
        )
        return m.seal(self.key, **{**fields, **overrides})

    def note(self, msg_id):
        """The message goes with the next packet."""
        sent = self.sent[msg_id]
        sent.times += 1
        sent.connection, sent.packet = self.connection, self.connection.packets
        sent.at = time.monotonic()

    def write(self, msg_id):
        """Sends a message in a packet of its own."""
        self.note(msg_id)
        sent = self.sent[msg_id]
        self.connection.write_packet(self.seal(msg_id, sent.seq_no, sent.body))

    def send(self, messages, response=True):
        """Sends (body, content) pairs, alone or in a container."""
        numbered = [self.number(body, content, response) for body, content in messages]
        self.send_numbered(numbered, response)

    def send_numbered(self, numbered, response=True):
        if len(numbered) == 1 and not self.server.options["container"]:
            self.write(numbered[0])
            return
        for msg_id in numbered:
            self.note(msg_id)
        body = m.container(
            [(msg_id, self.sent[msg_id].seq_no, self.sent[msg_id].body) for msg_id in numbered]
        )
        outer = self.next_id(response)
        self.connection.write_packet(self.seal(outer, 2 * self.content_sent, body))

    def answer(self, messages):
        """Queues what answers the packet that is being read."""
        self.connection.queue += [self.number(body, content) for body, content in messages]

    def answer_call(self, msg_id, result):
        if self.server.options["gzip"] and tl.constructor(result) != api.RPC_ERROR:
            result = tl.gzip_packed(result)
        answer = self.number(m.rpc_result(msg_id, result), True)
        self.executed[msg_id] = answer
        self.connection.queue.append(answer)

    def queue_new_session(self, packet):
        salt = self.key.salt(self.server.clock.now())
        created = self.number(m.new_session(packet.msg_id, salt), True, response=False)
        self.connection.queue.append(created)

    def resend_unacknowledged(self):
        """On a new stream comes again what nobody acknowledged on the old one."""
        for msg_id, sent in list(self.sent.items()):
            if sent.is_missed and sent.times and sent.connection is not self.connection:
                self.connection.queue.append(msg_id)

    def push(self, gzip=False):
        """Sends an update."""
        body = api.update()
        self.send([(tl.gzip_packed(body) if gzip else body, True)], response=False)

    def ping(self):
        ping_id = crypto.signed(os.urandom(8))
        msg_id = self.number(tl.u32(m.PING) + tl.i64(ping_id), False, response=False)
        self.key.pings[msg_id] = ping_id
        self.write(msg_id)

    def ask_state(self):
        """Asks for one message that came and one that never was."""
        came = [msg_id for msg_id, sent in self.sent.items() if sent.acks][:1]
        future = self.last_sent_id + (3600 << 32)
        body = tl.u32(m.MSGS_STATE_REQ) + tl.longs([*came, future])
        msg_id = self.number(body, False, response=False)
        self.key.questions[msg_id] = b"\x04" * len(came) + b"\x03"
        self.write(msg_id)


class Answering:
    """The answer to one call, in the hands of a hostile case."""

    def __init__(self, session, request, result):
        self.session = session
        self.request = request
        self.result = result

    def honest(self):
        """The answer that the call deserves."""
        self.session.answer_call(self.request, self.result)
        self.session.connection.flush(self.session)

    def rpc_result(self, result=None):
        return m.rpc_result(self.request, self.result if result is None else result)

    def item(self, body, content=True, response=True, expected=False):
        """A numbered message for a container; nobody has to acknowledge it unless it is said."""
        msg_id = self.session.number(body, content, response, expected)
        self.session.note(msg_id)
        return msg_id, self.session.sent[msg_id].seq_no, body

    def seal(self, body, content=True, response=True, expected=False, **overrides):
        msg_id, seq_no, body = self.item(body, content, response, expected)
        fields = dict(msg_id=msg_id, seq_no=seq_no, body=body)
        if "msg_id" in overrides:
            # Whether it is acknowledged is the client's affair; if there are two, then twice.
            own = self.session.sent[msg_id]
            known = self.session.sent.setdefault(overrides["msg_id"], own)
            known.times += known is not own
        return self.session.seal(**{**fields, **overrides})

    def send(self, body, **overrides):
        self.write(self.seal(body, **overrides))

    def write(self, packet):
        self.session.connection.write_packet(packet)

    def write_bytes(self, data):
        """Bytes in the place of a frame."""
        self.session.connection.write_bytes(self.framing.seal(data))

    def write_frame(self, frame):
        """A frame as `Framing` made it."""
        self.session.connection.write_bytes(frame)

    @property
    def framing(self):
        return self.session.connection.framing

    def close(self):
        self.session.connection.close()
