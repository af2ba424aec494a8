// Session strings of GramJS and mtcute, made and read by the libraries themselves.
//
// Jobs come as a JSON list on stdin; what became of each goes as a JSON list to stdout, on one
// line. No connection is made.
//
//     {"do": "make", "format": "gramjs" or "mtcute", "dc", "ip", "port", "key", "user_id"?, "bot"?,
//      "test_mode"?, "media"?: {"ip", "port"}}
//     {"do": "read", "format", "text", "test_mode"?}
//
// `make` gives `{"text"}`, `read` the values or `{"error"}`.

import { createRequire } from 'node:module'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'

import { MemoryStorage } from '@mtcute/core'
import { BaseTelegramClient } from '@mtcute/core/client.js'
import { NodePlatform, TcpTransport } from '@mtcute/node'
import { NodeCryptoProvider } from '@mtcute/node/utils.js'

import { limit, stayOnLoopback } from './peer.mjs'

const require = createRequire(import.meta.url)
const { AuthKey } = require('telegram/crypto/AuthKey')
const { StringSession } = require('telegram/sessions')

async function gramjs(job) {
    if (job.do === 'make') {
        const session = new StringSession('')
        session.setDC(job.dc, job.ip, job.port)
        const key = new AuthKey()
        await key.setKey(Buffer.from(job.key, 'hex'))
        session.setAuthKey(key)
        return { text: session.save() }
    }
    const session = new StringSession(job.text)
    await session.load()
    return {
        dc: session.dcId,
        ip: session.serverAddress,
        port: session.port,
        key: session.getAuthKey()?.getKey().toString('hex'),
    }
}

async function mtcute(job) {
    const client = new BaseTelegramClient({
        apiId: 1,
        apiHash: '0'.repeat(32),
        storage: new MemoryStorage(),
        crypto: new NodeCryptoProvider(),
        platform: new NodePlatform(),
        transport: new TcpTransport(),
        disableUpdates: true,
        testMode: job.test_mode ?? false,
        logLevel: Number(process.env.MTCUTE_LOG ?? 1),
    })
    if (job.do === 'make') {
        const dc = (at) => ({
            id: job.dc,
            ipAddress: at.ip,
            port: at.port,
            ipv6: at.ip.includes(':'),
            testMode: job.test_mode,
        })
        const main = dc(job)
        await client.importSession({
            primaryDcs: { main, media: job.media ? { ...dc(job.media), mediaOnly: true } : main },
            self: job.user_id === undefined ? null : { userId: job.user_id, isBot: job.bot, isPremium: false, usernames: [] },
            authKey: Buffer.from(job.key, 'hex'),
        })
        return { text: await client.exportSession() }
    }
    await client.importSession(job.text)
    const { main, media } = await client.mt.storage.dcs.fetch()
    const self = await client.storage.self.fetch()
    return {
        dc: main.id,
        ip: main.ipAddress,
        port: main.port,
        media: { ip: media.ipAddress, port: media.port },
        test_mode: main.testMode ?? false,
        key: Buffer.from(await client.mt.storage.provider.authKeys.get(main.id)).toString('hex'),
        user_id: self?.userId,
        bot: self?.isBot,
    }
}

const { values } = parseArgs({ options: { timeout: { type: 'string', default: '30' } } })
stayOnLoopback()
limit(values.timeout)
const results = []
for (const job of JSON.parse(await text(process.stdin))) {
    try {
        results.push(await { gramjs, mtcute }[job.format](job))
    } catch (error) {
        results.push({ error: String(error?.message ?? error) })
    }
}
process.stdout.write(JSON.stringify(results) + '\n', () => process.exit(0))
