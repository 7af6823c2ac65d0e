/** The commands that read capture files: their arguments and help. */
import { type Command, InvalidArgumentError } from 'commander'
import { type ReadOptions, read } from './read.ts'

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

export function addReadingCommands(podwire: Command, done: (code: number) => void): void {
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
}
