/**
 * The labs that ship, traced from time zero: each frame of each interface has its explanation, each drop its reason, and each
 * entry that is named stands, letter by letter, in what the named command prints on that node at that moment.
 */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Explainer } from '../../src/capture/explainer.ts'
import { disk, readTopology } from '../../src/cli/open.ts'
import { linuxCommands } from '../../src/host/commands/table.ts'
import { Process, type ProcessPlace } from '../../src/host/process.ts'
import type { Decision } from '../../src/link/decision.ts'
import type { Frame } from '../../src/link/frame.ts'
import { Netns } from '../../src/net/netns.ts'
import { Lab } from '../../src/topology/lab.ts'
import { runStep } from '../../src/topology/steps.ts'
import { printFrame } from '../../src/wire/print.ts'

const folder = fileURLToPath(new URL('../../topologies/', import.meta.url))
const topologies = ['', 'failures/'].flatMap((place) =>
  readdirSync(`${folder}${place}`)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name) => `${place}${name}`),
)
const quiet = { say: () => {}, command: () => {}, output: () => {} }
/** More of a kind say nothing new. */
const SHOWN = 12

/** Types commands in namespaces without letting time pass: those that print tables do so in one go. */
class Terminal {
  readonly #places = new Map<Netns, ProcessPlace>()
  readonly #printed = new Map<string, string>()
  #moment = -1

  /** What the command prints in the namespace now. */
  type(netns: Netns, command: string): string {
    const { now } = netns.world.scheduler
    if (now !== this.#moment) this.#printed.clear()
    this.#moment = now
    const key = `${netns.name}: ${command}`
    const known = this.#printed.get(key)
    return known ?? this.again(netns, command)
  }

  again(netns: Netns, command: string): string {
    const place = this.#places.get(netns) ?? placeFor(netns)
    this.#places.set(netns, place)
    let printed = ''
    const words = command.split(' ')
    const io = { out: (text: string) => void (printed += text), err: (text: string) => void (printed += text) }
    void place.programs.get(words[0])?.(new Process(place, 1, words, io))
    this.#printed.set(`${netns.name}: ${command}`, printed)
    return printed
  }
}

/** Somewhere to type: nothing is made in the namespace, whose chance must not be used up by looking at it. */
function placeFor(netns: Netns): ProcessPlace {
  const { name, world } = netns
  const machine = { name, world, netns, namespaces: new Map(), places: new Map() }
  const programs = linuxCommands()
  const place = { name, machine, netns, programs, env: {}, files: new Map(), processes: new Map(), workdir: '/' }
  return place as unknown as ProcessPlace
}

/** Listens to a lab from its first moment on. */
class Witness {
  /** Entries that the command did not print, once for each kind of sentence. */
  readonly missing = new Map<string, string>()
  checked = 0
  readonly #terminal = new Terminal()
  readonly #spaces = new Map<string, Netns>()

  begin(): void {
    const spaces = this.#spaces
    const adopt = Netns.prototype.adopt
    vi.spyOn(Netns.prototype, 'adopt').mockImplementation(function (this: Netns, device) {
      spaces.set(this.name, this)
      adopt.call(this, device)
    })
    const decided = Explainer.prototype.decided
    const check = (where: string, decision: Decision) => this.#check(where, decision)
    vi.spyOn(Explainer.prototype, 'decided').mockImplementation(function (
      this: Explainer,
      frame: Frame,
      where: string,
      decision: Decision,
    ) {
      decided.call(this, frame, where, decision)
      check(where, decision)
    })
  }

  #check(where: string, decision: Decision): void {
    const entry = decision.entry()
    const command = decision.command()
    if (entry === null || command === null) return
    this.checked++
    const netns = this.#spaceOf(where)
    if (netns === null) return void this.missing.set(where, `there is no namespace ${where}: ${decision}`)
    if (this.#terminal.type(netns, command).includes(entry)) return
    // The table may have changed in this very moment.
    const printed = this.#terminal.again(netns, command)
    if (printed.includes(entry)) return
    const kind = `${decision.constructor.name}: ${command.split(' ').slice(0, 3).join(' ')}`
    if (!this.missing.has(kind)) {
      this.missing.set(kind, `on ${where}, ${decision.sentence()}\n  ${entry}\nis not in \`${command}\`:\n${printed}`)
    }
  }

  /** `default/web`, `default/web/eth0`, `w1.example.com`, `w1.example.com/cni0`. */
  #spaceOf(where: string): Netns | null {
    return this.#spaces.get(where) ?? this.#spaces.get(where.slice(0, where.lastIndexOf('/'))) ?? null
  }
}

function unexplained(lab: Lab): string[] {
  const found: string[] = []
  const { recorder } = lab
  if (recorder === null) throw new Error('nothing was captured')
  let row = 0
  recorder.capture.each((captured, _time, inbound, bytes, at, end) => {
    const sighting = recorder.capture.sighting(row++)
    if (sighting !== null && sighting.decisions.length > 0) return
    found.push(`${row} ${captured.name} ${inbound ? 'in' : 'out'} ${printFrame(bytes, at, end)}`)
  })
  return found
}

afterEach(() => {
  vi.restoreAllMocks()
})

describe('every frame of the labs is explained', () => {
  it.each(topologies)('%s', async (name) => {
    const file = `${folder}${name}`
    const witness = new Witness()
    witness.begin()
    const topology = readTopology(file)
    const lab = await Lab.build(topology, { ...disk(file), capture: [], explain: true })
    for (const [i, step] of topology.steps.entries()) {
      expect((await runStep(lab, step, i + 1, quiet)).failures).toEqual([])
    }
    expect([...witness.missing.values()].join('\n\n')).toBe('')
    const bare = unexplained(lab)
    expect(bare.slice(0, SHOWN), `${bare.length} of ${lab.recorder?.capture.frames} frames`).toEqual([])
    expect(witness.checked).toBeGreaterThan(100)
  })
})
