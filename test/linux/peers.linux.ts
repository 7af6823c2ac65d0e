/**
 * podwire and the kernel as two ends of one conversation: `podwire up` joined to a network namespace by VXLAN over a
 * cable that only these two share. What matters is that bytes arrive whole and that neither side resets.
 *
 *     namespace `outer`: podwire's socket ── pw0 ─ veth ─ eth0 ── namespace `inner`: podwire0, 10.77.0.1
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
/** Ten megabytes of text: `seq 1 LINES`. */
const LINES = 1_450_000
const FILE = Array.from({ length: LINES }, (_, i) => `${i + 1}\n`).join('')
const HASH = createHash('sha256').update(FILE).digest('hex')
/** `far` loses one frame in a hundred each way. */
const TOPOLOGY = `name: peers
underlay: {cidr: 10.77.0.0/24}
hosts:
  - {name: web, ip: 10.77.0.2, image: nginx}
  - {name: client, ip: 10.77.0.3}
  - name: far
    ip: 10.77.0.4
    run: ['seq 1 ${LINES} > big.txt; python3 -m http.server 80']
    cable: {loss: 1%}
`

const prefix = `${inject('prefix')}peers-`
const [outer, inner] = [`${prefix}outer`, `${prefix}inner`]
const folder = mkdtempSync(join(tmpdir(), 'podwire-peers-'))
const children: ChildProcess[] = []
let podwire: ChildProcess
let said = ''
let seen = 0

function inside(netns: string, ...argv: string[]): string {
  return execFileSync('ip', ['netns', 'exec', netns, ...argv], { encoding: 'utf8', cwd: folder })
}

function start(netns: string, argv: readonly string[], stdin: 'pipe' | 'ignore'): ChildProcess {
  const child = spawn('ip', ['netns', 'exec', netns, ...argv], { cwd: folder, stdio: [stdin, 'pipe', 'pipe'] })
  children.push(child)
  return child
}

/** Types a line at podwire's workstation, and waits for its answer. */
async function type(line: string, answer: RegExp): Promise<string> {
  said = ''
  podwire.stdin?.write(`${line}\n`)
  for (let waited = 0; waited < 60_000; waited += 20) {
    const found = answer.exec(said)
    if (found !== null) return found[0]
    await sleep(20)
  }
  throw new Error(`no ${answer} within a minute; it said: ${said}`)
}

beforeAll(async () => {
  writeFileSync(join(folder, 'big.txt'), FILE)
  writeFileSync(join(folder, 'peers.yaml'), TOPOLOGY)
  const script = `set -e
ip netns add ${outer}; ip netns add ${inner}
ip -n ${outer} link add pw0 type veth peer name eth0 netns ${inner}
ip -n ${outer} addr add 169.254.77.1/30 dev pw0
ip -n ${inner} addr add 169.254.77.2/30 dev eth0
ip -n ${outer} link set pw0 mtu 1600 up
ip -n ${inner} link set eth0 mtu 1600 up
ip -n ${inner} link add podwire0 type vxlan id 42 dstport 4789 local 169.254.77.2 remote 169.254.77.1
ip netns exec ${inner} ethtool -K podwire0 tx off
ip -n ${inner} addr add 10.77.0.1/24 dev podwire0
ip -n ${inner} link set podwire0 mtu 1500 up
`
  execFileSync('bash', ['-s'], { input: script, stdio: ['pipe', 'ignore', 'inherit'] })
  start(inner, ['/usr/bin/python3', '-m', 'http.server', '80'], 'ignore')
  // A client that came before the server listens would be reset, as it should be.
  while (inside(inner, 'ss', '-Hltn', 'sport = :80') === '') await sleep(20)
  const ends = ['--local', '169.254.77.1:4789', '--remote', '169.254.77.2:4789']
  podwire = start(outer, [process.execPath, MAIN, 'up', 'peers.yaml', '--vxlan', '42', ...ends], 'pipe')
  for (const stream of [podwire.stdout, podwire.stderr]) {
    stream?.on('data', (bytes) => {
      said += bytes
    })
  }
  await type('ssh client ping -c 1 10.77.0.1', /1 received|100% packet loss/)
}, 60_000)

afterAll(() => {
  for (const child of children) child.kill()
  rmSync(folder, { recursive: true })
})

/** Resets that this kernel saw or sent since it was made. */
function resetsOfKernel(): number {
  const text = inside(inner, 'cat', '/proc/net/snmp')
  const [names, values] = text.split('\n').filter((line) => line.startsWith('Tcp:'))
  const at = (name: string) => Number(values.split(' ')[names.split(' ').indexOf(name)])
  return at('EstabResets') + at('OutRsts')
}

/** Resets since this was called last: each test tells of its own. */
function resets(): number {
  const before = seen
  seen = resetsOfKernel()
  return seen - before
}

test('curl of the kernel fetches from a server of podwire', () => {
  expect(inside(inner, 'curl', '-s', 'http://10.77.0.2/')).toContain('<title>Welcome to nginx!</title>')
  expect(resets()).toBe(0)
})

test('curl of podwire fetches from a server of the kernel', async () => {
  const page = await type('ssh client curl -sS http://10.77.0.1/', /<title>.*<\/title>|curl: .*/)
  expect(page).toBe('<title>Directory listing for /</title>')
  expect(resets()).toBe(0)
})

test('ten megabytes from podwire, one frame in a hundred lost each way', () => {
  const bytes = execFileSync('ip', ['netns', 'exec', inner, 'curl', '-s', 'http://10.77.0.4/big.txt'], {
    maxBuffer: 2 * FILE.length,
  })
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(HASH)
  expect(resets()).toBe(0)
})

test('ten megabytes to podwire, one frame in a hundred lost each way', async () => {
  const answer = await type("ssh far 'curl -sS http://10.77.0.1/big.txt | sha256sum'", /[0-9a-f]{64}|curl: .*/)
  expect(answer).toBe(HASH)
  expect(resets()).toBe(0)
})

test('two hundred connections at once', () => {
  const urls = 'http://10.77.0.2/?[1-200]'
  const codes = inside(
    inner,
    ...['curl', '-s', '--no-progress-meter', '--parallel', '--parallel-max', '200', '--parallel-immediate'],
    ...['-o', '/dev/null', '-w', '%{http_code}\\n', urls],
  )
  expect(codes.trim().split('\n')).toEqual(new Array(200).fill('200'))
  expect(resets()).toBe(0)
})
