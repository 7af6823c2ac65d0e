/**
 * `npm run linux:play -- SCENARIO_DIR OUT_DIR [--seed N]`: plays a lab that was recorded from a real Linux kernel
 * and writes what podwire captures, prints and ends up with, in the same files, for comparison.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MemorySink } from '../capture/byte-sink.ts'
import { Capture } from '../capture/capture.ts'
import { PcapWriter } from '../capture/pcap-writer.ts'
import { type Running, SIGKILL } from '../host/process.ts'
import { DEFAULT_EPOCH } from '../host/run.ts'
import { MILLISECOND, type Nanos, SECOND } from '../sim/scheduler.ts'
import { type Lab, type LabCommands, type LabStep, notModelled } from './lab-file.ts'
import { clamped, snapshotOf } from './lab-snapshot.ts'
import { LabWorld } from './lab-world.ts'

/** Between the end of one command and the next. */
const PAUSE = 200 * MILLISECOND
/** Captures go on for a little while after the last step. */
const AFTERMATH = 1300 * MILLISECOND

/** From typing a command to its first packet: loading a program, or Python and its modules. */
const LOADING = 6 * MILLISECOND
const LOADING_CURL = 10 * MILLISECOND
const LOADING_PYTHON = 60 * MILLISECOND

const MACHINE_STATE = [
  'ip -d link',
  'ip addr',
  'ip route',
  'ip route show table all',
  'ip neigh',
  'bridge fdb show',
  'bridge link',
  'bridge -d link',
  'ss -tan',
  'ss -tani',
  'ss -uan',
  'conntrack -L',
  'cat /proc/net/nf_conntrack',
  'iptables-save -c',
  'ip rule',
  'cat /proc/net/snmp',
]
/** Only in labs whose kube-proxy is in nftables mode. */
const NFT_STATE = 'nft list table ip kube-proxy'
const POD_STATE = MACHINE_STATE.filter((command) => !/^(bridge (-d )?link|iptables-save)/.test(command))

class Player {
  readonly #lab: LabWorld
  readonly #out: string
  readonly #background: Promise<void>[] = []
  /** What the commands that still run have said. */
  readonly #unfinished = new Map<string, string>()
  readonly #speakers = new Map<string, Running>()

  constructor(lab: LabWorld, out: string) {
    this.#lab = lab
    this.#out = out
  }

  async play(commands: LabCommands): Promise<void> {
    const early = (step: LabStep) => step.kind === 'server' || step.kind === 'wire'
    const control = commands.congestion_control?.[0]?.split(' ')[0]
    if (control !== undefined) this.#lab.setAll('net.ipv4.tcp_congestion_control', control)
    await this.#state('before')
    for (const step of commands.steps.filter(early)) await this.#step(step)
    await this.#lab.runner.runFor(100 * MILLISECOND)
    const capture = new Capture(this.#lab.world, DEFAULT_EPOCH)
    this.#lab.capture(capture, commands.captured)
    const longest = new Map(commands.captured.map((name) => [name, snapshotOf(this.#lab.device(name)?.mtu ?? 0)]))
    const began = this.#lab.world.scheduler.now
    for (const step of commands.steps.filter((each) => !early(each))) {
      // People type when the one before has ended, and not before they did when it was recorded.
      const typed = began + (step.t ?? 0) * SECOND
      if (typed > this.#lab.world.scheduler.now) await this.#lab.runner.runTo(typed)
      await this.#step(step)
    }
    await this.#lab.runner.runFor(AFTERMATH)
    await this.#state('after')
    for (const [name, text] of this.#unfinished) this.#write(name, text)
    mkdirSync(join(this.#out, 'pcap'), { recursive: true })
    const recorded = new Map(capture.interfaces().map((each) => [each.name, each]))
    for (const name of commands.captured) {
      const seen = recorded.get(name)
      const file = seen === undefined ? emptyPcap() : clamped(seen.pcap(), longest.get(name) ?? 0)
      writeFileSync(join(this.#out, 'pcap', `${name}.pcap`), file)
    }
  }

  async #step(step: LabStep): Promise<void> {
    const { runner } = this.#lab
    if (step.kind === 'server') return void this.#start(step, step.run ?? '')
    if (step.kind === 'wire') return this.#lab.impair(step.at ?? '', step.delay_ms ?? 0, step.rules ?? {})
    if (step.run !== undefined) {
      await runner.until(this.#start(step, step.run))
      return runner.runFor(PAUSE)
    }
    if (step.spawn !== undefined) {
      this.#background.push(this.#start(step, step.spawn))
      return
    }
    if (step.sleep !== undefined) return runner.runFor(step.sleep * SECOND)
    if (step.join !== undefined) {
      for (const running of this.#background.splice(0)) await runner.until(running)
      return
    }
    if (step.delpod !== undefined) return this.#lab.deletePod(step.delpod)
    if (step.addpod !== undefined) return this.#lab.startPod(step.addpod)
    if (step.announce !== undefined) return void this.#announce(step.announce, step.ip ?? '')
    if (step.withdraw !== undefined) return void this.#speakers.get(step.withdraw)?.process.kill(SIGKILL)
    if (step.services !== undefined) return this.#lab.loadRules(step.services)
    throw new Error(`podwire: the step ${JSON.stringify(step)} is not modelled`)
  }

  /** Starts the speaker of an address on this node. */
  async #announce(node: string, ip: string): Promise<void> {
    const place = this.#lab.places.get(node)
    if (place === undefined) throw new Error(`the lab has no place ${node}`)
    const silent = { out: () => {}, err: () => {} }
    await this.#after(LOADING_PYTHON)
    this.#speakers.set(node, place.shell(`python3 apps.py l2announce eth0 ${ip}`, silent))
  }

  /** Starts a command; its output file is written when it ends. */
  async #start(step: LabStep, line: string): Promise<void> {
    const place = this.#lab.places.get(step.at ?? '')
    if (place === undefined) throw new Error(`the lab has no place ${step.at}`)
    if (step.kind !== 'server') await this.#after(loading(line))
    let said = ''
    const { out } = step
    const keep = (text: string) => {
      said += text
      if (out !== undefined) this.#unfinished.set(out, `$ ${line}\n${said}`)
    }
    keep('')
    const running: Running = place.shell(line, { out: keep, err: keep })
    const code = await running.exit
    if (out === undefined) return
    this.#unfinished.delete(out)
    const end = step.spawn === undefined ? `[exit ${code}]\n` : ''
    this.#write(out, `$ ${line}\n${said}${end}`)
  }

  #after(delay: Nanos): Promise<void> {
    const { runner, world } = this.#lab
    return new Promise((resolve) => {
      world.scheduler.call(delay, () => {
        resolve()
        runner.wake()
      })
    })
  }

  #write(name: string, text: string): void {
    mkdirSync(join(this.#out, 'out'), { recursive: true })
    writeFileSync(join(this.#out, 'out', name), text)
  }

  async #state(when: 'before' | 'after'): Promise<void> {
    const folder = join(this.#out, 'state', when)
    mkdirSync(folder, { recursive: true })
    for (const [name, place] of this.#lab.places) {
      if (name === 'sw') continue
      let text = ''
      const keep = (said: string) => {
        text += said
      }
      const bridges = [...place.netns.devices.values()].some((device) => device.kind === 'bridge')
      const node = this.#lab.lab.nodes.some((each) => each.name === name)
      const more = node && this.#lab.lab.kubeProxy?.mode === 'nftables' ? [NFT_STATE] : []
      for (const command of [...(node || bridges ? MACHINE_STATE : POD_STATE), ...more]) {
        const before = text
        text += `$ ${command}\n`
        const head = text
        await this.#lab.runner.until(place.shell(command, { out: keep, err: keep }).exit)
        // A command that had nothing to say is left out; a file that is empty is not.
        if (text === head && !command.startsWith('cat ')) text = before
        else text += '\n'
      }
      writeFileSync(join(folder, `${name}.txt`), text)
    }
  }
}

function loading(line: string): Nanos {
  if (/\bpython3?\b/.test(line)) return LOADING_PYTHON
  return line.startsWith('curl') ? LOADING_CURL : LOADING
}

async function main(args: readonly string[]): Promise<number> {
  const at = args.indexOf('--seed')
  const seed = at < 0 ? 1 : Number(args[at + 1])
  const [scenario, out] = args.filter((_, i) => at < 0 || (i !== at && i !== at + 1))
  if (scenario === undefined || out === undefined || !Number.isInteger(seed)) {
    process.stderr.write('usage: npm run linux:play -- SCENARIO_DIR OUT_DIR [--seed N]\n')
    return 2
  }
  const lab = JSON.parse(readFileSync(join(scenario, 'lab.json'), 'utf8')) as Lab
  const commands = JSON.parse(readFileSync(join(scenario, 'commands.json'), 'utf8')) as LabCommands
  const refusal = notModelled(lab)
  if (refusal !== null) {
    process.stderr.write(`${refusal}\n`)
    return 2
  }
  const world = await LabWorld.build(lab, seed)
  await new Player(world, out).play(commands)
  return 0
}

process.exitCode = await main(process.argv.slice(2))

function emptyPcap(): Uint8Array {
  const memory = new MemorySink()
  new PcapWriter(memory).flush()
  return memory.file()
}
