/** The commands that read capture files: their arguments and help. */
import { type Command, InvalidArgumentError } from 'commander'
import type { Direction } from '../link/device.ts'
import { type Nanos, SECOND } from '../sim/scheduler.ts'
import { parseDuration } from '../topology/units.ts'
import { parseMac } from '../wire/address.ts'
import { follow } from './follow.ts'
import { ladder } from './ladder.ts'
import type { LadderBy } from './ladder-model.ts'
import type { CaptureOptions } from './open.ts'
import { type ReadOptions, read } from './read.ts'
import { type NewMac, replay } from './replay.ts'

function whole(value: string): number {
  const number = Number(value)
  if (!/^[0-9]+$/.test(value) || number < 1) throw new InvalidArgumentError('It is a whole number above 0.')
  return number
}

/** For an option that counts how often it stands there. */
function times(_: string, before: number): number {
  return before + 1
}

interface ReadFlags {
  n?: boolean
  e?: boolean
  v: number
  q?: boolean
  t: number
  number?: boolean
  x: number
  X: number
  A: number
  S?: boolean
  K?: boolean
  nano?: boolean
  c?: number
  count?: boolean
  json?: boolean
  interface?: string
  packet?: number
  where?: boolean
  comments?: boolean
}

function readOptions(flags: ReadFlags, filter: readonly string[]): ReadOptions {
  // Of -X, -x and -A, tcpdump asks in this order which one was given.
  const letter = (['A', 'x', 'X'] as const).find((each) => flags[each] > 0)
  return {
    style: {
      numbered: flags.number === true,
      time: flags.t,
      nanos: flags.nano === true,
      link: flags.e === true,
      verbose: flags.v,
      quick: flags.q === true,
      unchecked: flags.K === true,
      absolute: flags.S === true,
      bytes: letter === undefined ? '' : letter.repeat(flags[letter]),
    },
    numeric: flags.n === true,
    count: flags.c ?? Number.POSITIVE_INFINITY,
    counting: flags.count === true,
    json: flags.json === true,
    interface: flags.interface ?? null,
    packet: flags.packet ?? null,
    where: flags.where === true,
    comments: flags.comments === true,
    filter: filter.join(' '),
  }
}

interface FollowFlags {
  list?: boolean
  filter: string
  interface?: string
  n?: boolean
  hex?: boolean
  raw?: boolean
}

interface LadderFlags {
  svg?: boolean
  mermaid?: boolean
  out?: string
  by?: LadderBy
  packet?: number
  interface?: string
  n?: boolean
  c: number
}

function by(value: string): LadderBy {
  if (value !== 'host' && value !== 'interface') throw new InvalidArgumentError('It is host or interface.')
  return value
}

interface ReplayFlags extends CaptureOptions {
  speed: number
  topspeed?: boolean
  direction: Direction
  rewriteMac: readonly [NewMac, NewMac]
  loop: number
  filter: string
  from?: string
  fixcsum?: boolean
  linger: Nanos
  json?: boolean
}

function factor(value: string): number {
  const number = Number(value)
  if (!(number > 0 && number <= 1e6)) throw new InvalidArgumentError('It is a number above 0.')
  return number
}

function direction(value: string): Direction {
  if (value !== 'out' && value !== 'in') throw new InvalidArgumentError('It is out or in.')
  return value
}

function duration(value: string): Nanos {
  const found = parseDuration(value)
  if (found === null) throw new InvalidArgumentError('It is a duration with its unit, such as 10ms or 30s.')
  return found
}

/** `SOURCE,DESTINATION`, each a MAC address, `own`, or nothing. */
function newMacs(value: string): [NewMac, NewMac] {
  const read = (word: string): NewMac => {
    if (word === '' || word === 'own') return word === '' ? null : 'own'
    if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(word)) throw new InvalidArgumentError(`${word} is no MAC address.`)
    return parseMac(word)
  }
  const words = value.split(',')
  if (words.length !== 2) throw new InvalidArgumentError('It is SOURCE,DESTINATION.')
  return [read(words[0]), read(words[1])]
}

export const readingCommands: readonly string[] = ['read', 'follow', 'ladder', 'replay']

export function addReadingCommands(
  podwire: Command,
  done: (code: number) => void,
  withCaptureOptions: (command: Command) => Command,
): void {
  podwire
    .command('read')
    .description('print a capture file, pcap or pcapng, as tcpdump -r does')
    .argument('<file>', 'a capture file; - for standard input')
    .argument('[filter...]', 'only frames that this pcap filter wants, such as: tcp port 80')
    .option('-n', 'addresses as numbers, though the file has names for them; ports are always numbers')
    .option('-e', "the link layer's header too")
    .option('-v', 'more about each frame; -vv and -vvv still more', times, 0)
    .option('-q', 'less about each frame')
    .option(
      '-t',
      'no time; -tt seconds since 1970, -ttt since the line before, -tttt with the date, -ttttt since the first',
      times,
      0,
    )
    .option('-#, --number', 'number the lines')
    .option('-x', "the bytes in hexadecimal; -xx the link layer's too", times, 0)
    .option('-X', "the bytes in hexadecimal and ASCII; -XX the link layer's too", times, 0)
    .option('-A', "the bytes in ASCII; -AA the link layer's too", times, 0)
    .option('-S', "TCP's sequence numbers as they are")
    .option('-K', 'do not verify checksums')
    .option('--nano', 'nine digits behind the point of each time')
    .option('-c <n>', 'end after so many frames', whole)
    .option('--count', 'print only how many frames there are')
    .option('--json', 'one JSON object a frame; with -x its bytes too')
    .option('-i, --interface <glob>', 'only what was seen at these interfaces, such as "*/flannel.1"')
    .option('--packet <id>', 'only this packet, at every interface that it came by', whole)
    .option('--where', 'in front of each line: the interface, and which way the frame went')
    .option('--comments', "behind each line: the file's comments on the frame")
    .addHelpText(
      'after',
      `
Without -n, addresses that the file names (pcapng's name resolution) are shown by their names.
Exit codes: 0; 1 when the file ends too early or is damaged, after all that is whole was printed; 2 when it is no
capture file or the filter is wrong.`,
    )
    .action(async (file: string, filter: string[], flags: ReadFlags) => {
      done(await read(file, readOptions(flags, filter)))
    })
  podwire
    .command('follow')
    .description("print what the two sides of a file's conversation said, as tshark's follow does")
    .argument('<file>', 'a capture file; - for standard input')
    .argument('[stream]', 'tcp:0, udp:3, http:0, or two endpoints: tcp:10.0.0.1:1000,10.0.0.2:80 (default: the first)')
    .option('--list', 'the conversations that there are, with their numbers')
    .option('--filter <expression>', 'look only at frames that this pcap filter wants', '')
    .option('-i, --interface <glob>', 'look only at what was seen at these interfaces')
    .option('-n', 'addresses as numbers, though the file has names for them')
    .option('--hex', 'bytes in hexadecimal and ASCII')
    .option('--raw', 'bytes in hexadecimal, a line for what came together')
    .addHelpText(
      'after',
      `
The stream is put in order by sequence numbers: what came twice is said once, what was acknowledged and is not in the
file is said to be missing. http: takes chunks and compression away. A frame that several interfaces of the file saw
counts once.`,
    )
    .action(async (file: string, stream: string | undefined, flags: FollowFlags) => {
      done(
        await follow(file, {
          stream: stream ?? null,
          list: flags.list === true,
          layout: flags.raw === true ? 'raw' : flags.hex === true ? 'hex' : 'ascii',
          numeric: flags.n === true,
          interface: flags.interface ?? null,
          filter: flags.filter,
        }),
      )
    })
  podwire
    .command('ladder')
    .description("draw a file's frames as a ladder: hosts or interfaces, and arrows between them")
    .argument('<file>', 'a capture file; - for standard input')
    .argument('[filter...]', 'only frames that this pcap filter wants')
    .option('--text', 'in characters (the default)')
    .option('--svg', 'as an SVG')
    .option('--mermaid', "in Mermaid's language, for a sequenceDiagram")
    .option('-o, --out <file>', 'write it there')
    .option('--by <what>', 'host or interface: what stands in the ladder', by)
    .option('--packet <id>', 'the journey of one packet over all interfaces', whole)
    .option('-i, --interface <glob>', 'only what was seen at these interfaces')
    .option('-n', 'addresses as numbers, though the file has names for them')
    .option('-c <n>', 'draw at most so many frames', whole, 200)
    .addHelpText(
      'after',
      `
Between hosts, a packet that several interfaces of the file saw is drawn once, and so is the packet in a tunnel. From
interface to interface an arrow needs a file that numbers its packets, as podwire's do.`,
    )
    .action(async (file: string, filter: string[], flags: LadderFlags) => {
      done(
        await ladder(file, {
          layout: flags.svg === true ? 'svg' : flags.mermaid === true ? 'mermaid' : 'text',
          out: flags.out ?? null,
          by: flags.by ?? null,
          packet: flags.packet ?? null,
          interface: flags.interface ?? null,
          numeric: flags.n === true,
          count: flags.c,
          filter: filter.join(' '),
        }),
      )
    })
  withCaptureOptions(podwire.command('replay'))
    .description('play a capture file into an interface of a topology, in virtual time, and tell what came of it')
    .argument('<file>', 'a capture file; - for standard input')
    .argument('<topology>', 'a topology file (YAML)')
    .argument('<interface>', 'such as w1.example.com/eth0 or default/web/eth0')
    .option('--speed <factor>', 'seconds of the file per virtual second', factor, 1)
    .option('--topspeed', 'one frame behind the other, whatever times the file has')
    .option('--as-captured', 'at the distances that the file has (the default)')
    .option(
      '--direction <way>',
      'out, as its machine would send them; in, as if they came from outside',
      direction,
      'out',
    )
    .option(
      '--rewrite-mac <source,destination>',
      "other MAC addresses; own is the interface's, and nothing leaves one as it is",
      newMacs,
      [null, null],
    )
    .option('--fixcsum', "checksums anew: a capture of a machine's own frames often holds none")
    .option('--filter <expression>', 'only frames that this pcap filter wants', '')
    .option('--from <glob>', "only what the file's interfaces of such a name saw")
    .option('--loop <n>', 'play it so many times', whole, 1)
    .option('--linger <time>', 'how long answers are waited for', duration, SECOND)
    .option('--json', 'print the summary as a JSON object')
    .action(async (file: string, topology: string, name: string, flags: ReplayFlags) => {
      const [source, destination] = flags.rewriteMac
      done(
        await replay(file, topology, name, {
          ...flags,
          speed: flags.topspeed === true ? Number.POSITIVE_INFINITY : flags.speed,
          rewrite: { source, destination },
          fixSums: flags.fixcsum === true,
          from: flags.from ?? null,
          json: flags.json === true,
        }),
      )
    })
}
