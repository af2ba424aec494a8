// One user of mtcute at a test DC: does what lines of JSON on stdin say, and tells what it sees.
//
// Each command is answered by one line with its `id`; what the server sends unasked are lines with
// `event`. `telethon_user.py` knows the same commands. It ends at the end of stdin, at `quit`, or
// after `--timeout` seconds.

import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

import { IntermediatePacketCodec, MemoryStorage, ObfuscatedPacketCodec, PaddedIntermediatePacketCodec, tl } from '@mtcute/core'
import { TelegramClient } from '@mtcute/core/client.js'
import { addPublicKey } from '@mtcute/core/utils.js'
import { NodePlatform, TcpTransport } from '@mtcute/node'
import { NodeCryptoProvider } from '@mtcute/node/utils.js'

import { arguments_, limit, stayOnLoopback, version } from './peer.mjs'

const CODECS = {
    intermediate: () => new IntermediatePacketCodec(),
    padded: () => new PaddedIntermediatePacketCodec(),
    'obfuscated-padded': () => new ObfuscatedPacketCodec(new PaddedIntermediatePacketCodec()),
}

function tell(line) {
    process.stdout.write(JSON.stringify(line) + '\n')
}

function message(m) {
    return {
        message: m.id,
        from: m.sender.id,
        chat: m.chat.id,
        out: m.isOutgoing,
        text: m.text,
        reply_to: m.replyToMessage?.id ?? null,
    }
}

class User {
    constructor(args) {
        this.args = args
        // It outlives the client, as a file would.
        this.storage = new MemoryStorage()
    }

    async connect({ session }) {
        const { args } = this
        const crypto = new NodeCryptoProvider()
        const transport = new TcpTransport()
        transport.packetCodec = CODECS[args.framing]
        const dc = { id: args.dc, ipAddress: args.host, port: args.port }
        const client = new TelegramClient({
            apiId: 1,
            apiHash: '0'.repeat(32),
            storage: this.storage,
            crypto,
            platform: new NodePlatform(),
            transport,
            defaultDcs: { main: dc, media: dc },
            network: { usePfs: args.pfs },
            updates: { catchUp: true, messageGroupingInterval: 0 },
            logLevel: Number(process.env.MTCUTE_LOG ?? 1),
        })
        addPublicKey(crypto, args.pem)
        client.onNewMessage.add((m) => tell({ event: 'message', ...message(m) }))
        client.onEditMessage.add((m) => tell({ event: 'edit', ...message(m) }))
        client.onDeleteMessage.add((u) => tell({ event: 'delete', messages: u.messageIds }))
        client.onHistoryRead.add((u) => tell({ event: 'read', chat: u.chatId, max: u.maxReadId, outbox: u.isOutbox }))
        client.onUserTyping.add((u) => tell({ event: 'typing', from: u.userId }))
        client.onError.add((error) => tell({ event: 'error', error: String(error) }))
        this.client = client
        if (session) await client.importSession(session, true)
        await client.connect()
        const authorized = await isAuthorized(client)
        if (authorized) await startUpdates(client)
        return { authorized }
    }

    async sign_in({ phone, code, password, wrong_code, wrong_password }) {
        const said = { refused: [], password: false }
        const { client } = this
        const sent = await client.sendCode({ phone })
        const signIn = (phoneCode) => client.signIn({ phone, phoneCodeHash: sent.phoneCodeHash, phoneCode })
        let me
        try {
            if (wrong_code) said.refused.push(await refusal(signIn(wrong_code)))
            me = await signIn(code)
        } catch (error) {
            if (!tl.RpcError.is(error, 'SESSION_PASSWORD_NEEDED')) throw error
            said.password = true
            if (wrong_password) said.refused.push(await refusal(client.checkPassword(wrong_password)))
            me = await client.checkPassword(password)
        }
        await startUpdates(client)
        return { ...said, user: me.id }
    }

    async sign_in_bot({ token }) {
        const me = await this.client.signInBot(token)
        await startUpdates(this.client)
        return { user: me.id, bot: me.isBot }
    }

    async me() {
        const me = await this.client.getMe()
        return { user: me.id, phone: me.phoneNumber, username: me.username, first_name: me.firstName }
    }

    async state() {
        const { pts, qts, seq } = await this.client.call({ _: 'updates.getState' })
        return { pts, qts, seq }
    }

    async resolve({ username }) {
        const user = await this.client.getUser(username)
        return { user: user.id, first_name: user.firstName }
    }

    async full({ username }) {
        const full = await this.client.getFullUser(username)
        return { user: full.id, about: full.bio || null }
    }

    async import_contact({ phone, first_name }) {
        const got = await this.client.importContacts([{ phone, firstName: first_name, lastName: '' }])
        return { users: got.users.map((u) => u.id) }
    }

    async send({ to, text, reply_to }) {
        return message(await this.client.sendText(to, text, { replyTo: reply_to ?? undefined }))
    }

    async edit({ chat, message_id, text }) {
        return message(await this.client.editMessage({ chatId: chat, message: message_id, text }))
    }

    async delete({ chat, messages }) {
        await this.client.deleteMessagesById(chat, messages)
        return {}
    }

    async read({ chat }) {
        await this.client.readHistory(chat)
        return { read: true }
    }

    async typing({ chat }) {
        await this.client.sendTyping(chat)
        return { sent: true }
    }

    async history({ chat, limit = 100 }) {
        const got = await this.client.getHistory(chat, { limit })
        return { total: got.total, messages: got.map(message) }
    }

    async search({ chat, text }) {
        return { messages: (await this.client.searchMessages({ chatId: chat, query: text })).map(message) }
    }

    async dialogs() {
        const dialogs = []
        for await (const d of this.client.iterDialogs()) {
            dialogs.push({
                chat: d.peer.id,
                name: d.peer.displayName,
                unread: d.unreadCount,
                last: d.lastMessage?.text ?? null,
            })
        }
        return { dialogs }
    }

    async group({ title, users }) {
        const { chat } = await this.client.createGroup({ title, users })
        return { chat: chat.id }
    }

    async supergroup({ title, users }) {
        const chat = await this.client.createSupergroup({ title })
        await this.client.addChatMembers(chat.id, users, {})
        return { chat: chat.id }
    }

    async session_text() {
        return { text: await this.client.exportSession() }
    }

    // Goes away with all that is under way; the storage stays.
    async drop() {
        await this.client.disconnect()
        return {}
    }

    async sign_out() {
        await this.client.logOut()
        return { signed_out: true }
    }

    async quit() {
        process.exit(0)
    }
}

// The library asks for the state and then for the difference behind this promise, and drops what
// the difference brings. Answers come in order: after two of our own it is through with both.
async function startUpdates(client) {
    await client.startUpdatesLoop()
    for (let i = 0; i < 2; i++) await client.call({ _: 'updates.getState' })
}

async function isAuthorized(client) {
    try {
        await client.getMe()
        return true
    } catch (error) {
        if (!tl.RpcError.is(error, 'AUTH_KEY_UNREGISTERED')) throw error
        return false
    }
}

async function refusal(call) {
    try {
        await call
        return null
    } catch (error) {
        if (!tl.RpcError.is(error)) throw error
        return error.text
    }
}

const args = arguments_(Object.keys(CODECS))
stayOnLoopback()
limit(args.timeout)
const user = new User({ ...args, pem: readFileSync(args.key, 'ascii') })
tell({ event: 'ready', client: 'mtcute', version: version('@mtcute/node') })
for await (const line of createInterface({ input: process.stdin })) {
    const { id, do: name, ...command } = JSON.parse(line)
    try {
        tell({ id, ...(await user[name](command)) })
    } catch (error) {
        const text = tl.RpcError.is(error) ? `${error.code} ${error.text}` : (error?.stack ?? String(error))
        tell({ id, error: text })
    }
}
process.exit(0)
