/** The commands around a running emulator: `up`, and what attaches to it. */
import { type Command, InvalidArgumentError } from 'commander'
import { SNAPLEN } from '../capture/capture-file.ts'
import { type DoorAddress, parseDoor } from '../live/door.ts'
import { nameProblem } from '../live/runtime-folder.ts'
import { type Endpoint, MAXIMUM_VNI, parseEndpoint } from '../live/vxlan-plug.ts'
import type { Nanos } from '../sim/scheduler.ts'
import { parseDuration } from '../topology/units.ts'
import { capture } from './capture.ts'
import { CONTROL_HELP } from './control-words.ts'
import { ctl } from './ctl.ts'
import { extcap } from './extcap.ts'
import { up } from './up.ts'
import { wireshark } from './wireshark.ts'

type Done = (code: number) => void

function speed(value: string): number {
  const factor = Number(value)
  if (!(factor > 0 && factor <= 1000)) throw new InvalidArgumentError('It is a number above 0, at most 1000.')
  return factor
}

function duration(value: string): Nanos {
  const found = parseDuration(value)
  if (found === null) throw new InvalidArgumentError('It is a duration with its unit, such as 10ms or 30s.')
  return found
}

function whole(lowest: number, highest: number): (value: string) => number {
  return (value) => {
    const number = Number(value)
    if (Number.isInteger(number) && number >= lowest && number <= highest) return number
    throw new InvalidArgumentError(`It is a whole number from ${lowest} to ${highest}.`)
  }
}

function endpoint(value: string): Endpoint {
  const found = parseEndpoint(value)
  if (found === null) throw new InvalidArgumentError('It is an IPv4 address and a port, such as 127.0.0.1:4789.')
  return found
}

function door(value: string): DoorAddress {
  const found = parseDoor(value)
  if (found === null) throw new InvalidArgumentError('It is a port of this machine alone, such as 127.0.0.1:19000.')
  return found
}

function doors(value: string, before: DoorAddress[]): DoorAddress[] {
  return [...before, door(value)]
}

function emulatorName(value: string): string {
  const problem = nameProblem(value)
  if (problem !== null) throw new InvalidArgumentError(`No: ${problem}.`)
  return value
}

function more(_: string, before: number): number {
  return before + 1
}

const WHICH = 'the emulator, when several run'

export const liveCommands: readonly string[] = ['up', 'ctl', 'capture', 'wireshark', 'extcap']

/** `withCaptureOptions` adds what `run` and its like have, too. */
export function addLiveCommands(
  podwire: Command,
  withCaptureOptions: (to: Command) => Command,
  typed: readonly string[],
  done: Done,
): void {
  withCaptureOptions(podwire.command('up'))
    .description(
      'run the topology against the wall clock until stopped; lines of standard input are typed in its shell',
    )
    .argument('<topology>', 'a topology file (YAML)')
    .option('--name <name>', "how others call it (default: the topology's name)", emulatorName)
    .option('--speed <factor>', 'virtual seconds per second', speed, 1)
    .option('--paused', 'the virtual clock stands until :resume')
    .option('--for <time>', 'stop after so much virtual time, such as 30s', duration)
    .option('--listen <address:port>', 'give pcapng to whoever connects here, such as Wireshark', doors, [])
    .option('--vxlan <vni>', 'join a real machine to the switch by this VXLAN network', whole(0, MAXIMUM_VNI))
    .option('--local <address:port>', 'where its socket listens here', endpoint)
    .option('--remote <address:port>', 'where the real machine listens', endpoint)
    .action(async (topology: string, options) => done(await up(topology, { ...options, typed })))
  podwire
    .command('ctl')
    .description('steer a running emulator')
    .argument('<words...>', "pause, resume, step, speed, status, interfaces, stop, list, or run 'COMMAND'")
    .option('--name <name>', WHICH, emulatorName)
    .option('--json', 'print the answer as JSON')
    .option('-i, --stdin', 'run: hand standard input to the command')
    .addHelpText(
      'after',
      `\n${CONTROL_HELP}run 'COMMAND'      types a line at the workstation; its exit code\nlist               the emulators that run`,
    )
    .action(async (words: string[], options) => done(await ctl(words, options)))
  podwire
    .command('capture')
    .description('attach to a running emulator: print its frames, or write them as pcapng')
    .argument('[interfaces...]', 'such as w1/eth0, default/web, "*/flannel.1"; all without one')
    .option('--name <name>', WHICH, emulatorName)
    .option('-f, --filter <expression>', "a capture filter in tcpdump's syntax")
    .option('-w, --write <file>', 'pcapng into a file; - is standard output')
    .option('-s, --snaplen <bytes>', 'at most so many bytes of each frame', whole(1, SNAPLEN))
    .option('-c, --count <frames>', 'end after so many', whole(1, Number.MAX_SAFE_INTEGER))
    .option('--listen <address:port>', 'give pcapng to whoever connects here, each a capture of its own', door)
    .option('--explain', 'why each frame is where it was seen, behind its line')
    .option('--no-explain', 'no packet comments in pcapng')
    .option('-n, --numeric', 'print: addresses as numbers')
    .option('-e, --link', 'print: the Ethernet header too')
    .option('-v, --verbose', 'print: more, and still more', more, 0)
    .option('-t, --time', 'print: no time; -tt, -ttt … as tcpdump has them', more, 0)
    .option('-x, --hex', 'print: the bytes too')
    .option('-X, --hex-ascii', 'print: the bytes, and what they are as text')
    .action(async (interfaces: string[], options) => done(await capture(interfaces, options)))
  podwire
    .command('wireshark')
    .description("start the user's Wireshark on interfaces of a running emulator")
    .usage('[options] <interfaces...> [-- words for Wireshark]')
    .argument('[interfaces...]', 'such as w1/eth0, default/web')
    .option('--name <name>', WHICH, emulatorName)
    .option('-f, --filter <expression>', "a capture filter in tcpdump's syntax")
    .option('--no-explain', 'no packet comments')
    .option('--tshark', 'tshark in this terminal instead')
    .option('--install', 'give Wireshark a profile, and emulated interfaces on its start page')
    .option('--uninstall', 'take both away')
    .option('--force', 'install, uninstall: also what is not as podwire wrote it')
    .action(async (words: string[], options, command: Command) => {
      // Commander hands on what stands behind `--` as if it stood before it.
      const extra = wordsBehindDashes(command)
      done(await wireshark(words.slice(0, words.length - extra.length), extra, options))
    })
  podwire
    .command('extcap', { hidden: true })
    .description("what Wireshark's plugin starts")
    .option('--capture')
    .option('--extcap-interface <value>')
    .option('--extcap-capture-filter <expression>')
    .option('--extcap-version <version>')
    .option('--fifo <path>')
    .option('--explain')
    .option('--snaplen <bytes>', '', whole(0, SNAPLEN))
    .action(async (options) => done(await extcap(options)))
}

function wordsBehindDashes(command: Command): string[] {
  const { rawArgs } = command.parent as Command & { readonly rawArgs: readonly string[] }
  const dashes = rawArgs.indexOf('--')
  return dashes < 0 ? [] : rawArgs.slice(dashes + 1)
}
