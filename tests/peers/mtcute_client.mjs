// mtcute against a test DC: makes a key, calls help.getConfig and prints what it got as one line
// of JSON.

import { IntermediatePacketCodec, MemoryStorage, ObfuscatedPacketCodec, PaddedIntermediatePacketCodec, tl } from '@mtcute/core'
import { BaseTelegramClient } from '@mtcute/core/client.js'
import { addPublicKey } from '@mtcute/core/utils.js'
import { NodePlatform, TcpTransport } from '@mtcute/node'
import { NodeCryptoProvider } from '@mtcute/node/utils.js'

import { run, version } from './peer.mjs'

const CODECS = {
    intermediate: () => new IntermediatePacketCodec(),
    padded: () => new PaddedIntermediatePacketCodec(),
    'obfuscated-intermediate': () => new ObfuscatedPacketCodec(new IntermediatePacketCodec()),
    'obfuscated-padded': () => new ObfuscatedPacketCodec(new PaddedIntermediatePacketCodec()),
}

async function talk(args) {
    const crypto = new NodeCryptoProvider()
    const transport = new TcpTransport()
    transport.packetCodec = CODECS[args.framing]
    const dc = { id: args.dc, ipAddress: args.host, port: args.port }
    const storage = new MemoryStorage()
    const client = new BaseTelegramClient({
        apiId: 1,
        apiHash: '0'.repeat(32),
        storage,
        crypto,
        platform: new NodePlatform(),
        transport,
        defaultDcs: { main: dc, media: dc },
        disableUpdates: true,
        network: { usePfs: args.pfs },
        logLevel: Number(process.env.MTCUTE_LOG ?? 1),
    })
    // Behind the constructor, which loads the built-in keys.
    addPublicKey(crypto, args.pem)
    await client.connect()
    const config = await client.call({ _: 'help.getConfig' })
    const nearest = await client.call({ _: 'help.getNearestDc' })
    let refusal = null
    try {
        await client.call({ _: 'updates.getState' })
    } catch (error) {
        if (!tl.RpcError.is(error)) throw error
        refusal = `${error.code} ${error.text}`
    }
    const keyId = (key) => key && Buffer.from(crypto.sha1(key).slice(-8)).reverse().toString('hex')
    const key = await storage.authKeys.get(args.dc)
    const tempKey = await storage.authKeys.getTemp(args.dc, 0, Date.now())
    return {
        client: 'mtcute',
        version: version('@mtcute/node'),
        layer: tl.LAYER,
        this_dc: config.thisDc,
        dc_options: config.dcOptions.map((o) => ({ id: o.id, ip: o.ipAddress, port: o.port })),
        nearest_dc: nearest.nearestDc,
        refusal,
        key_id: keyId(key),
        temp_key_id: keyId(tempKey),
    }
}

await run(Object.keys(CODECS), talk)
