// GramJS against a test DC: makes a key, calls help.getConfig and prints what it got as one line
// of JSON.

import { createHash, createPublicKey } from 'node:crypto'
import { createRequire } from 'node:module'

import { run, version } from './peer.mjs'

const require = createRequire(import.meta.url)
const bigInt = require('big-integer')
const { Api, TelegramClient } = require('telegram')
const { _serverKeys } = require('telegram/crypto/RSA')
const { Logger } = require('telegram/extensions')
const { LogLevel } = require('telegram/extensions/Logger')
const { ConnectionTCPAbridged, ConnectionTCPFull, ConnectionTCPObfuscated } = require('telegram/network')
const { StringSession } = require('telegram/sessions')
const { LAYER } = require('telegram/tl/AllTLObjects')

const CONNECTIONS = {
    full: ConnectionTCPFull,
    abridged: ConnectionTCPAbridged,
    obfuscated: ConnectionTCPObfuscated,
}

function tlBytes(bytes) {
    const head = bytes.length < 254 ? [bytes.length] : [254, bytes.length & 255, bytes.length >> 8, 0]
    const tail = Buffer.alloc(-(head.length + bytes.length) & 3)
    return Buffer.concat([Buffer.from(head), bytes, tail])
}

// Replaces the built-in keys by the given one.
function trust(pem) {
    const jwk = createPublicKey(pem).export({ format: 'jwk' })
    const n = Buffer.from(jwk.n, 'base64url')
    const e = Buffer.from(jwk.e, 'base64url')
    const digest = createHash('sha1').update(tlBytes(n)).update(tlBytes(e)).digest()
    _serverKeys.clear()
    _serverKeys.set(digest.readBigInt64LE(12).toString(), {
        n: bigInt(n.toString('hex'), 16),
        e: Number(bigInt(e.toString('hex'), 16)),
    })
}

async function talk(args) {
    trust(args.pem)
    // The library takes the address from the session, but the port is always 80; it keeps ports in
    // 16 bits with a sign, so the session is given that one.
    class Connection extends CONNECTIONS[args.framing] {
        constructor(options) {
            super({ ...options, ip: args.host, port: args.port })
        }
    }
    const session = new StringSession('')
    session.setDC(args.dc, args.host, 80)
    const client = new TelegramClient(session, 1, '0'.repeat(32), {
        connection: Connection,
        connectionRetries: 3,
        requestRetries: 1,
        reconnectRetries: 1,
        autoReconnect: false,
        useWSS: false,
        baseLogger: new Logger(LogLevel[process.env.GRAMJS_LOG ?? 'NONE']),
    })
    if (!(await client.connect())) throw new Error('not connected')
    const config = await client.invoke(new Api.help.GetConfig())
    const nearest = await client.invoke(new Api.help.GetNearestDc())
    let refusal = null
    try {
        await client.invoke(new Api.updates.GetState())
    } catch (error) {
        if (error.code === undefined) throw error
        refusal = `${error.code} ${error.errorMessage}`
    }
    const digest = createHash('sha1').update(session.getAuthKey().getKey()).digest()
    return {
        client: 'gramjs',
        version: version('telegram'),
        layer: LAYER,
        this_dc: config.thisDc,
        dc_options: config.dcOptions.map((o) => ({ id: o.id, ip: o.ipAddress, port: o.port })),
        nearest_dc: nearest.nearestDc,
        refusal,
        key_id: Buffer.from(digest.subarray(-8)).reverse().toString('hex'),
    }
}

await run(Object.keys(CONNECTIONS), talk)
