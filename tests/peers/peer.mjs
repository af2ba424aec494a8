// What the JavaScript clients have in common: arguments, a fence around loopback, a time limit,
// one line of JSON.

import { readFileSync } from 'node:fs'
import net from 'node:net'
import { parseArgs } from 'node:util'

// The libraries log to stdout, which is for the lines that the tests read. mtcute and GramJS have
// something to say in one handshake of 256: they drop a key's leading zeros and have to try again.
console.log = console.error

function isLoopback(host) {
    return host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

// Refuses every connection that leaves this machine, whatever addresses a library brings along.
export function stayOnLoopback() {
    const connect = net.Socket.prototype.connect
    net.Socket.prototype.connect = function (...args) {
        const first = Array.isArray(args[0]) ? args[0][0] : args[0]
        const host = typeof first === 'object' ? first.host : typeof args[1] === 'string' ? args[1] : first
        if (!isLoopback(String(host))) {
            throw new Error(`not a loopback address: ${host}`)
        }
        return connect.apply(this, args)
    }
}

function fail(message) {
    console.error(message)
    process.exit(1)
}

// Ends this process after so many seconds.
export function limit(seconds) {
    setTimeout(() => fail(`no result within ${seconds} s`), Number(seconds) * 1000).unref()
}

// What all clients are told on the command line.
export function arguments_(framings) {
    const { values } = parseArgs({
        options: {
            host: { type: 'string' },
            port: { type: 'string' },
            dc: { type: 'string', default: '2' },
            key: { type: 'string' },
            framing: { type: 'string', default: framings[0] },
            pfs: { type: 'boolean', default: false },
            timeout: { type: 'string', default: '30' },
        },
    })
    if (!values.host || !isLoopback(values.host)) fail(`--host: ${values.host} is not a loopback address`)
    if (!(Number(values.port) > 0)) fail(`--port: ${values.port} is not a port`)
    if (!values.key) fail('--key: the file with the public key of the DC')
    if (!framings.includes(values.framing)) fail(`--framing: one of ${framings.join(', ')}`)
    return { ...values, port: Number(values.port), dc: Number(values.dc) }
}

// Runs `talk(args)` within the time limit and prints the object that it gives.
export async function run(framings, talk) {
    const args = arguments_(framings)
    stayOnLoopback()
    limit(args.timeout)
    try {
        const result = await talk({ ...args, pem: readFileSync(args.key, 'ascii') })
        const line = JSON.stringify({ ...result, framing: args.framing, pfs: args.pfs })
        process.stdout.write(line + '\n', () => process.exit(0))
    } catch (error) {
        fail(error?.stack ?? error)
    }
}

// The version in the package.json of an installed package.
export function version(name) {
    const path = new URL(`node_modules/${name}/package.json`, import.meta.url)
    return JSON.parse(readFileSync(path, 'utf8')).version
}
