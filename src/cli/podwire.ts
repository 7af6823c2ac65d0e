/** The podwire command: arguments in, exit code out. Each command's work is in a file of its own. */
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { VERSION } from '../capture/version.ts'
import { type Endpoint, MAXIMUM_VNI, parseEndpoint } from '../live/vxlan-plug.ts'
import type { Nanos } from '../sim/scheduler.ts'
import { parseDuration } from '../topology/units.ts'
import { withCaptureOptions } from './capture-options.ts'
import { check } from './check.ts'
import { addCompletion } from './completion.ts'
import { listDrops } from './drops.ts'
import { exec } from './exec.ts'
import { reportFailure } from './failure.ts'
import { addReadingCommands } from './reading-commands.ts'
import { run } from './run.ts'
import { shell } from './shell.ts'
import { tcpHarness } from './tcp-harness.ts'
import { up } from './up.ts'

/** Bad input: a topology, a manifest, an option. */
const BAD_INPUT = 2

function collect(value: string, before: string[]): string[] {
  return [...before, value]
}

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

function vni(value: string): number {
  const number = Number(value)
  if (!Number.isInteger(number) || number < 0 || number > MAXIMUM_VNI) {
    throw new InvalidArgumentError(`It is a whole number from 0 to ${MAXIMUM_VNI}.`)
  }
  return number
}

function endpoint(value: string): Endpoint {
  const found = parseEndpoint(value)
  if (found === null) throw new InvalidArgumentError('It is an IPv4 address and a port, such as 127.0.0.1:4789.')
  return found
}

function program(typed: readonly string[], done: (code: number) => void): Command {
  const podwire = new Command('podwire')
    .description(
      'A packet-level emulator of Kubernetes and container networking: every frame real, every interface captured.',
    )
    .version(VERSION, '-V, --version')
    .showHelpAfterError('(podwire --help tells more)')
    .exitOverride()
  withCaptureOptions(podwire.command('run'))
    .description('build the topology and run its steps')
    .argument('<topology>', 'a topology file (YAML)')
    .option('--until <time>', 'stop at this virtual time, such as 30s')
    .option('--json', 'print one JSON object per step instead of a terminal')
    .option('--quiet', 'print failures only')
    .action(async (topology: string, options) => {
      done(await run(topology, { ...options, typed }))
    })
  withCaptureOptions(podwire.command('exec'))
    .description("build the topology without its steps and run commands in the lab's shell")
    .argument('<topology>', 'a topology file (YAML)')
    .requiredOption('-c, --command <line>', 'a command line; may be given several times', collect, [])
    .action(async (topology: string, options) => {
      done(await exec(topology, { ...options, typed }))
    })
  podwire
    .command('check')
    .description('read a topology and its manifests, and say what is wrong')
    .argument('<topology>', 'a topology file (YAML)')
    .action(async (topology: string) => {
      done(await check(topology))
    })
  withCaptureOptions(podwire.command('shell'))
    .description("build the topology and open the lab's shell")
    .argument('<topology>', 'a topology file (YAML)')
    .action(async (topology: string, options) => {
      done(await shell(topology, { ...options, typed }))
    })
  podwire
    .command('tcp-harness')
    .description("one host's TCP in virtual time, driven by JSON lines on standard input: a door for test suites")
    .action(async () => {
      done(await tcpHarness())
    })
  withCaptureOptions(podwire.command('up'))
    .description(
      'run the topology against the wall clock until stopped; lines of standard input are typed in its shell',
    )
    .argument('<topology>', 'a topology file (YAML)')
    .option('--speed <factor>', 'virtual seconds per second', speed, 1)
    .option('--for <time>', 'stop after so much virtual time, such as 30s', duration)
    .option('--vxlan <vni>', 'join a real machine to the switch by this VXLAN network', vni)
    .option('--local <address:port>', 'where its socket listens here', endpoint)
    .option('--remote <address:port>', 'where the real machine listens', endpoint)
    .action(async (topology: string, options) => {
      done(await up(topology, { ...options, typed }))
    })
  podwire
    .command('drops')
    .description('list why frames are dropped: the reasons in words, and the names that Linux has for them')
    .option('--json', 'print a JSON array')
    .action((options) => {
      done(listDrops(options))
    })
  addReadingCommands(podwire, done, withCaptureOptions)
  addCompletion(podwire)
  podwire.addHelpText(
    'after',
    `
Examples:
  podwire run topologies/kiamol-ch03.yaml --captures out
  podwire exec topologies/two-node-flannel.yaml -c 'kubectl get pods -o wide' -c 'ssh w1 ip route'
  wireshark -o vxlan.udp.port:4789,8472 out/w1.example.com/flannel.1.pcapng

Exit codes: 0 all went well; 1 an expectation failed (run); the last command's own (exec); 2 bad input;
3 a fault of podwire itself.`,
  )
  return podwire
}

/** Runs one command line; returns its exit code. */
export async function runCli(args: readonly string[]): Promise<number> {
  let code = 0
  try {
    await program(args, (result) => {
      code = result
    }).parseAsync(args, { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : BAD_INPUT
    return reportFailure(error)
  }
}
