"""The server: its streams, its keys, and what it is told to do from outside."""

import asyncio
import socket
import struct
import time

from . import messages as m
from . import plain
from .evil import Evil
from .framing import Broken, Framing
from .handshake import Handshakes, Refused
from .keys import Clock
from .session import Session
from .violations import Violations

# Streams in the life of a server, and at once.
MAX_STREAMS, MAX_OPEN = 100_000, 1_000
# A stream on which nothing comes is closed.
IDLE = 180
UNKNOWN_KEY = -404


class Server:
    def __init__(self, rsa_key, dc, secrets=()):
        self.rsa = rsa_key
        self.dc = dc
        self.secrets = secrets
        self.port = None
        self.violations = Violations()
        self.report = self.violations.report
        self.clock = Clock()
        self.keys = {}
        self.evil = Evil()
        self.handshakes = Handshakes(rsa_key, self)
        self.options = {
            # Answers are compressed; answers come in containers; every byte is its own segment.
            "gzip": False,
            "container": False,
            "split": False,
            # Keys are refused so often with dh_gen_retry; the next call is refused with this code.
            "retries": 0,
            "refuse": 0,
            # "known" or "other".
            "group": "known",
            # The clock's error in seconds; rules that are not held against the client.
            "skew": 0,
            "excuse": [],
        }
        self.connections = set()
        self.streams = self.cuts = 0
        self.calls = self.gzipped = self.binds = self.pongs = self.states = 0
        self.refused_salts = self.quick_acks = 0
        self.framings = {}

    async def listen(self, host, port):
        listener = await asyncio.start_server(self.accept, host, port, limit=1 << 22)
        self.port = listener.sockets[0].getsockname()[1]
        asyncio.get_running_loop().create_task(self.watch())
        return listener

    async def accept(self, reader, writer):
        self.streams += 1
        if self.streams > MAX_STREAMS or len(self.connections) >= MAX_OPEN:
            writer.close()
            return
        connection = Connection(self, reader, writer)
        self.connections.add(connection)
        try:
            await connection.serve()
        except asyncio.CancelledError:
            # The server ends.
            pass
        finally:
            self.connections.discard(connection)
            writer.close()

    async def watch(self):
        while True:
            await asyncio.sleep(1)
            for connection in list(self.connections):
                for session in connection.sessions:
                    session.check_time()

    def sessions(self):
        return [session for key in self.keys.values() for session in key.sessions.values()]

    def open_sessions(self):
        """Each stream's latest: a client may have left the others."""
        return [c.sessions[-1] for c in self.connections if c.sessions and not c.closed]

    def command(self, line):
        """What stdin asks for: a dictionary with `do`; the answer is one too."""
        do = line.get("do")
        if do == "evil":
            self.evil.choose(line.get("case"))
        elif do == "option":
            unknown = set(line) - {"do"} - set(self.options)
            if unknown:
                return {"error": f"no such options: {sorted(unknown)}"}
            self.options.update((name, value) for name, value in line.items() if name != "do")
            self.clock.skew = self.options["skew"]
            self.violations.excused = set(self.options["excuse"])
        elif do == "push":
            for session in self.open_sessions():
                session.push(line.get("gzip", False))
        elif do == "ping":
            for session in self.open_sessions():
                session.ping()
        elif do == "ask_state":
            for session in self.open_sessions():
                session.ask_state()
        elif do == "rotate":
            for key in self.keys.values():
                key.rotate(self.clock.now())
        elif do == "cut":
            for connection in list(self.connections):
                connection.close()
        elif do != "state":
            return {"error": f"no such command: {do}"}
        return self.state()

    def state(self):
        """Everything that a test may want to know."""
        return {
            "violations": self.violations.kept,
            "count": self.violations.count,
            "streams": self.streams,
            "open": len(self.connections),
            "framings": self.framings,
            "keys": sum(not key.is_temporary for key in self.keys.values()),
            "temporary_keys": sum(key.is_temporary for key in self.keys.values()),
            "sessions": len(self.sessions()),
            "missed_acks": sum(session.missed() for session in self.sessions()),
            "repeats": self.handshakes.repeats,
            "evil": self.evil.name,
            "attacks": self.evil.attacks,
            "calls": self.calls,
            "gzipped": self.gzipped,
            "binds": self.binds,
            "pongs": self.pongs,
            "states": self.states,
            "refused_salts": self.refused_salts,
            "quick_acks": self.quick_acks,
        }


class Connection:
    """One stream."""

    def __init__(self, server, reader, writer):
        self.server = server
        self.reader, self.writer = reader, writer
        self.framing = Framing(server.report, server.dc, server.secrets)
        self.packets = 0
        # Ids of messages that go out when the packet at hand is read.
        self.queue = []
        self.sessions = []
        self.disconnect_at = None
        self.counted = self.closed = False
        # What comes is not answered any more.
        self.deaf = False
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def serve(self):
        while not self.closed:
            patience = IDLE
            if self.disconnect_at is not None:
                patience = self.disconnect_at - time.monotonic()
            try:
                data = await asyncio.wait_for(self.reader.read(1 << 16), max(patience, 0.01))
                if not data:
                    return
                if not self.deaf:
                    self.feed(data)
                await asyncio.wait_for(self.writer.drain(), IDLE)
            except (asyncio.TimeoutError, ConnectionError):
                return

    def feed(self, data):
        try:
            packets = self.framing.feed(data)
        except Broken as broken:
            self.server.report(broken.rule, str(broken), framing=self.framing.kind)
            self.close()
            return
        if self.framing.kind and not self.counted:
            self.counted = True
            name = ("obfuscated-" if self.framing.obfuscated else "") + self.framing.kind
            self.server.framings[name] = self.server.framings.get(name, 0) + 1
        for payload, quick_ack in packets:
            if self.closed:
                return
            if len(payload) % 4:
                self.server.report("framing.unaligned", f"a packet of {len(payload)} bytes")
            if payload[:8] == bytes(8):
                self.plain(payload)
            else:
                self.encrypted(payload, quick_ack)

    def plain(self, payload):
        """An unencrypted message."""
        msg_id, length = struct.unpack_from("<qI", payload, 8)
        body = payload[20 : 20 + length]
        # Its time says nothing: a client cannot know the server's yet.
        if msg_id % 4:
            self.server.report("plain.msg_id", f"{msg_id} from a client")
        if length != len(payload) - 20 or length < 4 or length % 4:
            self.server.report("plain.length", f"{length} of {len(payload) - 20} bytes")
            self.fail(UNKNOWN_KEY)
            return
        try:
            reply = self.server.handshakes.handle(body)
        except Refused as refused:
            self.server.report(refused.rule, str(refused))
            self.fail(refused.code)
            return
        if reply is plain.CUT:
            self.close()
        elif isinstance(reply, plain.Packet):
            self.write_packet(reply.data)
        elif reply is not None:
            self.write_plain(reply)

    def write_plain(self, body, length=None):
        msg_id = int(self.server.clock.now() * (1 << 32)) & ~3 | 1
        self.write_packet(plain.packet(msg_id, body, length))

    def encrypted(self, payload, quick_ack):
        key = self.server.keys.get(int.from_bytes(payload[:8], "little", signed=True))
        now = self.server.clock.now()
        if key is None or key.is_expired(now):
            self.server.report("packet.key", "a packet for a key that is not known")
            self.fail(UNKNOWN_KEY)
            return
        forged = self.server.evil.at("packet", None)
        if forged is not None:
            forged(self)
            return
        try:
            packet = m.open_packet(key, payload)
        except m.Unsound as unsound:
            self.server.report(unsound.rule, str(unsound))
            self.fail(UNKNOWN_KEY)
            return
        if packet.session_id == 0:
            self.server.report("session.zero", "the session's id is 0")
            self.fail(UNKNOWN_KEY)
            return
        if quick_ack:
            self.server.quick_acks += 1
            self.write_bytes(self.framing.quick_ack(packet.quick_ack))
        session = key.sessions.get(packet.session_id)
        if session is None:
            session = key.sessions[packet.session_id] = Session(self.server, key, packet.session_id)
        if session in self.sessions:
            self.sessions.remove(session)
        self.sessions.append(session)
        session.receive(self, packet)

    def flush(self, session):
        """Sends what the packet at hand was answered with."""
        queue, self.queue = self.queue, []
        if self.server.options["container"] and queue:
            session.send_numbered(queue)
        else:
            for msg_id in queue:
                session.write(msg_id)

    def disconnect_after(self, delay):
        self.disconnect_at = time.monotonic() + delay

    def write_packet(self, packet):
        self.packets += 1
        self.write_bytes(self.framing.packet(packet))

    def write_bytes(self, data):
        if self.closed:
            return
        if not self.server.options["split"]:
            self.writer.write(data)
            return
        for byte in data:
            # Without delay of the kernel's, each write is a segment.
            self.writer.write(bytes([byte]))

    def fail(self, code):
        """A transport error, and the end."""
        self.write_bytes(self.framing.status(code))
        self.close()

    def close(self):
        self.closed = True
        self.server.cuts += 1
        self.writer.close()
