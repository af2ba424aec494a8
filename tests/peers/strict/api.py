"""The API, as far as a server has to answer before anybody signs in; types by Telethon."""

import datetime

from telethon.extensions import BinaryReader
from telethon.tl import types
from telethon.tl.alltlobjects import tlobjects
from telethon.tl.functions.auth import BindTempAuthKeyRequest
from telethon.tl.functions.help import GetConfigRequest, GetNearestDcRequest
from telethon.tl.tlobject import TLRequest

from . import tl

INVOKE_WITH_LAYER, INIT_CONNECTION = 0xDA9B0D0D, 0xC1CD5EA9
INVOKE_AFTER_MSG, INVOKE_AFTER_MSGS = 0xCB9F372D, 0x3DC4B4F0
INVOKE_WITHOUT_UPDATES = 0xBF9459B7
RPC_ERROR = 0x2144CA19

# Layers that a client of today may name.
LAYERS = range(150, 400)
# A query stands in few envelopes.
MAX_ENVELOPES = 8


class Call:
    """A query, out of its envelopes."""

    def __init__(self):
        self.layer = None
        self.init = False
        self.gzipped = False
        self.query = None

    @property
    def name(self):
        return type(self.query).__name__


def parse(body, report):
    """The call in a message. Raises `tl.TlError`; what is odd but readable is reported."""
    call, reader = Call(), tl.Reader(body)
    for _ in range(MAX_ENVELOPES):
        constructor = tl.constructor(reader.data[reader.at :])
        if constructor == tl.GZIP_PACKED:
            reader.u32()
            packed = reader.bytes()
            reader.end()
            if call.gzipped:
                report("gzip.nested", "compressed data in compressed data")
            call.gzipped, reader = True, tl.Reader(tl.inflate(packed))
        elif constructor == INVOKE_WITH_LAYER:
            reader.u32()
            call.layer = reader.i32()
            if call.layer not in LAYERS:
                report("init.layer", f"layer {call.layer}")
        elif constructor == INIT_CONNECTION:
            read_init(call, reader, report)
        elif constructor == INVOKE_WITHOUT_UPDATES:
            reader.u32()
        elif constructor == INVOKE_AFTER_MSG:
            reader.raw(12)
        elif constructor == INVOKE_AFTER_MSGS:
            reader.u32()
            reader.longs()
        else:
            call.query = read_query(reader)
            return call
    raise tl.TlError("too many envelopes")


def read_init(call, reader, report):
    reader.u32()
    flags, api_id = reader.u32(), reader.i32()
    # Neither a proxy nor parameters: nothing here has them.
    if flags:
        raise tl.TlError(f"initConnection with flags {flags:#x}")
    names = ("device_model", "system_version", "app_version", "system_lang_code", "lang_pack", "lang_code")
    texts = dict(zip(names, (reader.string() for _ in names), strict=True))
    empty = [name for name, text in texts.items() if not text and name != "lang_pack"]
    if api_id <= 0 or empty:
        report("init.fields", f"api_id {api_id}, empty: {empty}")
    if call.layer is None:
        report("init.layer", "initConnection outside of invokeWithLayer")
    call.init = True


def read_query(reader):
    constructor = tl.constructor(reader.data[reader.at :])
    kind = tlobjects.get(constructor)
    if kind is None or not issubclass(kind, TLRequest):
        raise tl.TlError(f"no method has the constructor {constructor}")
    rest = BinaryReader(reader.data[reader.at + 4 :])
    try:
        query = kind.from_reader(rest)
    except Exception as error:
        raise tl.TlError(f"{kind.__name__}: {error!r}") from error
    if rest.position != len(rest.get_bytes()):
        raise tl.TlError(f"bytes behind {kind.__name__}")
    return query


def error(code, message):
    return tl.u32(RPC_ERROR) + tl.i32(code) + tl.string(message)


def answer(query, server):
    """The result of a query: bytes of a boxed object."""
    if isinstance(query, GetConfigRequest):
        return bytes(config(server))
    if isinstance(query, GetNearestDcRequest):
        return bytes(types.NearestDc(country="XX", this_dc=server.dc, nearest_dc=server.dc))
    return error(401, "AUTH_KEY_UNREGISTERED")


def is_allowed_unbound(query):
    """Whether a temporary key may ask this before it is bound."""
    return isinstance(query, (BindTempAuthKeyRequest, GetConfigRequest, GetNearestDcRequest))


def config(server):
    now = datetime.datetime.fromtimestamp(int(server.clock.now()), datetime.timezone.utc)
    numbers = dict.fromkeys(
        """chat_size_max megagroup_size_max forwarded_count_max online_update_period_ms offline_blur_timeout_ms
        offline_idle_timeout_ms online_cloud_timeout_ms notify_cloud_delay_ms notify_default_delay_ms
        push_chat_period_ms push_chat_limit edit_time_limit revoke_time_limit revoke_pm_time_limit rating_e_decay
        stickers_recent_limit channels_read_media_period call_receive_timeout_ms call_ring_timeout_ms
        call_connect_timeout_ms call_packet_timeout_ms caption_length_max message_length_max""".split(),
        200,
    )
    return types.Config(
        date=now,
        expires=now + datetime.timedelta(hours=1),
        test_mode=False,
        this_dc=server.dc,
        dc_options=[types.DcOption(id=server.dc, ip_address="127.0.0.1", port=server.port)],
        dc_txt_domain_name="invalid",
        me_url_prefix="https://t.invalid/",
        webfile_dc_id=server.dc,
        reactions_default=types.ReactionEmoji(emoticon="👍"),
        **numbers,
    )


def update():
    """An update that says little."""
    now = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
    return bytes(types.UpdateShort(update=types.UpdateConfig(), date=now))
