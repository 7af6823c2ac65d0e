/** The podwire command: arguments in, exit code out. Each command's work is in a file of its own. */
import { Command, CommanderError } from 'commander'
import { VERSION } from '../capture/version.ts'
import { withCaptureOptions } from './capture-options.ts'
import { check } from './check.ts'
import { addCompletion } from './completion.ts'
import { listDrops } from './drops.ts'
import { exec } from './exec.ts'
import { reportFailure } from './failure.ts'
import { addLiveCommands } from './live-commands.ts'
import { addReadingCommands } from './reading-commands.ts'
import { run } from './run.ts'
import { shell } from './shell.ts'
import { tcpHarness } from './tcp-harness.ts'

/** Bad input: a topology, a manifest, an option. */
const BAD_INPUT = 2

function collect(value: string, before: string[]): string[] {
  return [...before, value]
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
  podwire
    .command('drops')
    .description('list why frames are dropped: the reasons in words, and the names that Linux has for them')
    .option('--json', 'print a JSON array')
    .action((options) => {
      done(listDrops(options))
    })
  addReadingCommands(podwire, done, withCaptureOptions)
  addLiveCommands(podwire, withCaptureOptions, typed, done)
  addCompletion(podwire)
  podwire.addHelpText(
    'after',
    `
Examples:
  podwire run topologies/kiamol-ch03.yaml --captures out
  podwire exec topologies/two-node-flannel.yaml -c 'kubectl get pods -o wide' -c 'ssh w1 ip route'
  wireshark -o vxlan.udp.port:4789,8472 out/w1.example.com/flannel.1.pcapng
  podwire up topologies/two-node-flannel.yaml      and in another terminal:
  podwire capture default/client w1/flannel.1 -f icmp
  podwire wireshark w1/eth0

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
