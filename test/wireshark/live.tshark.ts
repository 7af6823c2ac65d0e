/**
 * The installed tshark, attached to a running emulator in each way that a person may: by a pipe, by TCP, and by the plugin on
 * Wireshark's own list. In each it is killed while frames are on their way, at a moment that chance decides.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { readCapture } from '../../src/capture/pcapng-reader.ts'
import { ControlClient } from '../../src/live/control-client.ts'

const NAME = 'wireshark-test'
const PODWIRE = [process.execPath, 'dist/cli/main.js']
const FIELDS = ['frame.interface_name', 'frame.packet_id', 'frame.protocols', 'frame.comment']
const COLUMNS = ['-T', 'fields', '-E', 'separator=|', ...FIELDS.flatMap((field) => ['-e', field])]

let home = ''
const children = new Set<ChildProcess>()

/** A program that shows lines. */
class Shown {
  readonly child: ChildProcess
  readonly lines: string[] = []
  err = ''
  #wake: (() => void) | null = null

  constructor(words: readonly string[]) {
    const [program, ...rest] = words
    this.child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    children.add(this.child)
    let held = ''
    this.child.stdout?.on('data', (bytes) => {
      held += bytes
      this.lines.push(...held.split('\n').slice(0, -1))
      held = held.slice(held.lastIndexOf('\n') + 1)
      this.#wake?.()
    })
    this.child.stderr?.on('data', (bytes) => {
      this.err += bytes
      this.#wake?.()
    })
    this.child.on('close', () => {
      children.delete(this.child)
      this.#wake?.()
    })
  }

  get over(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.over) throw new Error(`it has ended:\n${this.err}`)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** It, and all that it started. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    process.kill(-(this.child.pid as number), signal)
    while (!this.over) await new Promise<void>((resolve) => (this.#wake = resolve))
  }
}

/** Of the programs that this one started, and itself: those with such a name. */
function processesOf({ child }: Shown, names: readonly string[]): number[] {
  return readdirSync('/proc').flatMap((entry) => {
    const [, pid, name, group] = /^(\d+) \((.*)\) \S+ \d+ (\d+)/.exec(statOf(entry)) ?? []
    return Number(group) === child.pid && names.includes(name) ? [Number(pid)] : []
  })
}

function statOf(entry: string): string {
  try {
    return readFileSync(`/proc/${entry}/stat`, 'utf8')
  } catch {
    return ''
  }
}

/** Types a line at the emulator's workstation. */
async function run(line: string): Promise<string> {
  const client = await ControlClient.connect(NAME)
  client.send({ do: 'run', line })
  let said = ''
  for (let message = await client.hear(); message !== null; message = await client.hear()) {
    if (typeof message.out === 'string') said += message.out
    if (typeof message.exit === 'number') break
  }
  client.end()
  return said
}

async function readers(): Promise<number> {
  const client = await ControlClient.connect(NAME)
  const status = await client.ask({ do: 'status' })
  client.end()
  return (status.readers as unknown[]).length
}

async function readersBecome(count: number): Promise<void> {
  while ((await readers()) !== count) await new Promise((resolve) => setTimeout(resolve, 20))
}

let emulator: Shown
let door = ''
let web = ''

const before = { ...process.env }
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'podwire-wireshark-'))
  Object.assign(process.env, { HOME: home, XDG_CONFIG_HOME: join(home, '.config'), XDG_RUNTIME_DIR: home })
  const listen = ['--listen', '127.0.0.1:0']
  emulator = new Shown([...PODWIRE, 'up', 'topologies/two-node-flannel.yaml', '--name', NAME, ...listen])
  await emulator.until(() => emulator.err.includes('is up'))
  door = /TCP@(127\.0\.0\.1:[0-9]+)/.exec(emulator.err)?.[1] ?? ''
  await run('kubectl wait --for=condition=Ready pod client web')
  web = await run("kubectl get pod web -o jsonpath='{.status.podIP}'")
})
afterAll(async () => {
  await emulator.kill('SIGTERM')
  for (const child of children) child.kill('SIGKILL')
  for (const key of ['HOME', 'XDG_CONFIG_HOME', 'XDG_RUNTIME_DIR']) {
    if (before[key] === undefined) delete process.env[key]
    else process.env[key] = before[key]
  }
  rmSync(home, { recursive: true })
})

// What a failed test left behind is not the next one's.
afterEach(async () => {
  for (const child of children) if (child !== emulator.child) process.kill(-(child.pid as number), 'SIGKILL')
  await readersBecome(0)
})

const PORTS = ['-o', 'vxlan.udp.port:4789,8472']

/** What to start, and how the interface is called there. */
const ways: readonly (readonly [string, () => readonly string[]])[] = [
  [
    'a pipe',
    () => [
      'sh',
      '-c',
      `exec ${PODWIRE.join(' ')} capture w1/eth0 -w - | exec tshark -l -i - ${PORTS.join(' ')} ${quoted(COLUMNS)}`,
    ],
  ],
  ['TCP', () => ['tshark', '-l', '-i', `TCP@${door}`, ...PORTS, ...COLUMNS]],
  ['the plugin', () => ['tshark', '-l', '-C', 'podwire', '-i', `podwire-${NAME}-w1.example.com-eth0`, ...COLUMNS]],
]

function quoted(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(' ')
}

describe.each(ways)('by %s', (_, words) => {
  test('tshark shows frames as they pass, with names and comments, and 8472 as VXLAN', async () => {
    execFileSync(PODWIRE[0], [PODWIRE[1], 'wireshark', '--install'])
    const tshark = new Shown(words())
    await readersBecome(1)
    await run(`kubectl exec client -- ping -c 2 ${web}`)
    const onEth0 = () => tshark.lines.map((line) => line.split('|')).filter(([name]) => name === 'w1.example.com/eth0')
    const pings = () => onEth0().filter(([, , protocols]) => protocols.endsWith('vxlan:eth:ethertype:ip:icmp:data'))
    await tshark.until(() => pings().length >= 4)
    for (const [, id, , comment] of pings()) {
      expect(Number(id)).toBeGreaterThan(0)
      expect(comment).not.toBe('')
    }
    await tshark.kill('SIGTERM')
    await readersBecome(0)
  })

  test('killed at any moment it leaves the emulator and the other readers unharmed', async () => {
    const file = join(home, 'steady.pcapng')
    const steady = new Shown([...PODWIRE, 'capture', 'default/web', '-f', 'icmp', '-w', file])
    await readersBecome(1)
    const pinging = run(`kubectl exec client -- ping -c 14 ${web}`)
    for (let i = 0; i < 3; i++) {
      const tshark = new Shown(words())
      await readersBecome(2)
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 1500))
      // Only Wireshark's own: what of podwire feeds it must notice by itself.
      for (const pid of processesOf(tshark, ['tshark', 'dumpcap'])) process.kill(pid, 'SIGKILL')
      await readersBecome(1)
    }
    expect(await pinging).toContain('14 packets transmitted, 14 packets received')
    await steady.kill('SIGINT')
    expect(steady.child.exitCode).toBe(0)
    expect(readCapture(new Uint8Array(readFileSync(file))).packets).toHaveLength(28)
    expect(emulator.over).toBe(false)
  })
})

test("the interfaces are on tshark's list, with their addresses", () => {
  const list = execFileSync('tshark', ['-D'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  expect(list).toMatch(new RegExp(`podwire-${NAME}-all \\(podwire ${NAME}: all interfaces\\)`))
  expect(list).toContain(`(podwire ${NAME}: w1.example.com/eth0 (192.168.14.51))`)
})

test('podwire wireshark starts tshark with the profile, and hands on its words', async () => {
  const words = ['wireshark', '--tshark', 'w1/eth0', 'default/client', '--', '-l', ...COLUMNS]
  const tshark = new Shown([...PODWIRE, ...words])
  // podwire asks first whether the request is right: that is a reader for a moment.
  await tshark.until(() => tshark.err.includes('Capture started'))
  await readersBecome(1)
  await run(`kubectl exec client -- ping -c 1 ${web}`)
  const shows = (text: string) => tshark.lines.some((line) => line.includes(text))
  await tshark.until(() => shows('default/client/eth0|') && shows('udp:vxlan:eth'))
})
