/** The options by which run, exec, shell and up write captures. */
import { type Command, InvalidArgumentError } from 'commander'
import { SNAPLEN } from '../capture/capture-file.ts'
import { compileFilter } from '../capture/pcap-filter.ts'
import type { RingSettings } from '../capture/rotation.ts'
import { type CaptureFormat, formats } from './captures.ts'
import { parseRing } from './ring.ts'

export interface CaptureOptions {
  readonly captures?: string
  readonly format: CaptureFormat
  readonly interfaces: readonly string[]
  readonly seed?: number
  readonly filter?: string
  readonly unmask?: boolean
  /** Write with each frame why it is where it is. */
  readonly explain?: boolean
  readonly snaplen?: number
  readonly ring?: RingSettings
  /** The command line as it was typed, for the file to tell. */
  readonly typed?: readonly string[]
}

/** Where capture files go, and of which interfaces. */
export function withCaptureFiles(command: Command): Command {
  return command
    .option('--captures <dir>', 'write one capture file per interface, and all of them in DIR/all.pcapng')
    .option('--format <format>', `${formats.join(', ')}: what kind of files`, format, 'pcapng')
    .option(
      '--interfaces <globs>',
      'only these, such as "default/*/eth0,*/flannel.1"; "w1/any" is all of a machine in one',
      globs,
      [],
    )
    .option('--no-explain', 'leave out the comments that say why each frame is where it is')
    .option('--seed <n>', "seed of everything that is random (default: the topology's)", seed)
}

/** And which frames, and how. */
export function withCaptureOptions(command: Command): Command {
  return withCaptureFiles(command)
    .option('--filter <expression>', 'only frames that pass this capture filter (pcap-filter(7))', filter)
    .option('--unmask', 'with --filter: also frames that it would take on the other side of NAT')
    .option('-s, --snaplen <bytes>', 'at most so many bytes of each frame', snaplen)
    .option('--ring <words>', 'several files, as dumpcap -b: files:N,filesize:kB,duration:S,interval:S,packets:N', ring)
}

function globs(value: string, before: string[]): string[] {
  return [...before, ...value.split(',').filter((glob) => glob !== '')]
}

function format(value: string): CaptureFormat {
  const found = formats.find((known) => known === value)
  if (found === undefined) throw new InvalidArgumentError(`It is one of: ${formats.join(', ')}.`)
  return found
}

export function seed(value: string): number {
  const number = Number(value)
  if (!Number.isInteger(number) || number < 0 || number > 2 ** 31 - 1) {
    throw new InvalidArgumentError('It is a whole number from 0 to 2147483647.')
  }
  return number
}

/** 0: everything, as tcpdump has it. */
function snaplen(value: string): number {
  const number = /^[0-9]+$/.test(value) ? Number(value) : -1
  if (number < 0 || number > SNAPLEN) throw new InvalidArgumentError(`It is a whole number from 0 to ${SNAPLEN}.`)
  return number === 0 ? SNAPLEN : number
}

function filter(value: string): string {
  return worded(() => {
    compileFilter(value)
    return value
  })
}

function ring(value: string): RingSettings {
  return worded(() => parseRing(value))
}

/** What the tool itself says about a wrong argument. */
function worded<Result>(parse: () => Result): Result {
  try {
    return parse()
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? `${error.message}.` : String(error))
  }
}
