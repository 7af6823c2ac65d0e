/** What people type to steer a running emulator, behind `podwire ctl` or after a colon in its terminal; and its answers. */
import type { EmulatorStatus, InterfaceStatus, StepStatus } from '../live/emulator.ts'
import type { Message } from '../live/lines.ts'
import { parseDuration } from '../topology/units.ts'

export const CONTROL_HELP = `pause              the virtual clock stands still
resume             it goes on
step               pause, and go on by one event
step frame         … to the next frame on any interface
step 10ms          … by this much virtual time
speed 0.1          virtual seconds per second
status             how it stands, and who reads
interfaces         all names, for podwire capture
stop               the end of the emulator
`

/** The request that the words make; a sentence when they make none. */
export function controlRequest(words: readonly string[]): Message | string {
  const [verb, ...rest] = words
  switch (verb) {
    case 'pause':
    case 'resume':
    case 'status':
    case 'interfaces':
    case 'stop':
      return rest.length === 0 ? { do: verb } : `${verb} takes no argument`
    case 'step':
      return stepRequest(rest)
    case 'speed': {
      const speed = Number(rest[0])
      if (rest.length === 1 && speed > 0 && speed <= 1000) return { do: 'speed', speed }
      return 'speed needs a number above 0, at most 1000'
    }
    default:
      return `unknown word ${JSON.stringify(verb ?? '')}; help lists them`
  }
}

function stepRequest(words: readonly string[]): Message | string {
  const goal = words[0] ?? 'event'
  const known = goal === 'event' || goal === 'frame' || parseDuration(goal) !== null
  if (words.length < 2 && known) return { do: 'step', goal }
  return 'step takes "event", "frame", or a duration such as 10ms'
}

/** The answer in words, with its last newline. */
export function controlAnswer(answer: Message): string {
  if (typeof answer.error === 'string') return `${answer.error}\n`
  if ('interfaces' in answer && Array.isArray(answer.interfaces)) return interfacesText(answer.interfaces)
  if ('end' in answer) return stepText(answer as unknown as StepStatus)
  if ('pid' in answer) return statusText(answer as unknown as EmulatorStatus)
  return ''
}

function statusText(status: EmulatorStatus): string {
  const state = status.paused ? 'paused' : 'running'
  const lines = [
    `${status.name}: ${state} at speed ${status.speed}, virtual time ${status.time.toFixed(6)} s (${status.clock})`,
    `${status.topology}, process ${status.pid}, ${status.interfaces} interfaces`,
  ]
  if (status.slipped > 0) lines.push(`${status.slipped.toFixed(3)} s of virtual time were lost: the world is too busy`)
  for (const address of status.listening) lines.push(`Wireshark may connect: wireshark -k -i TCP@${address}`)
  for (const reader of status.readers) {
    const what = reader.interfaces.length === 0 ? 'all interfaces' : reader.interfaces.join(' ')
    const filter = reader.filter === '' ? '' : ` (${reader.filter})`
    lines.push(`captured: ${what}${filter}: ${reader.frames} frames, ${reader.lost} dropped`)
  }
  return `${lines.join('\n')}\n`
}

function interfacesText(interfaces: readonly InterfaceStatus[]): string {
  const width = Math.max(...interfaces.map(({ name }) => name.length))
  const rows = interfaces.map(({ name, kind, up, mac, addresses }) =>
    `${name.padEnd(width)}  ${kind.padEnd(8)}  ${up ? 'up  ' : 'down'}  ${mac}  ${addresses.join(' ')}`.trimEnd(),
  )
  return rows.map((row) => `${row}\n`).join('')
}

const ends = { reached: '', idle: ', and nothing more is due', ended: ', ended early' }

function stepText({ end, time, frames, more }: StepStatus): string {
  const lines = frames.map((frame) => `  ${frame}\n`)
  if (more > 0) lines.push(`  … and ${more} more\n`)
  return `${lines.join('')}virtual time ${time.toFixed(9)} s${ends[end]}\n`
}
