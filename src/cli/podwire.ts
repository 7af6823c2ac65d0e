/** The podwire command: arguments in, exit code out. Each command's work is in a file of its own. */
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { VERSION } from '../capture/version.ts'
import { type Protocol, protocols } from '../explain/probe.ts'
import { isPartThread, serveThread } from '../parallel/threads.ts'
import { addBenchCommands, type LoadBench } from './bench-commands.ts'
import { seed, withCaptureFiles, withCaptureOptions } from './capture-options.ts'
import { check } from './check.ts'
import { addCompletion } from './completion.ts'
import { diff } from './diff.ts'
import { listDrops } from './drops.ts'
import { exec } from './exec.ts'
import { explain } from './explain.ts'
import { reportFailure } from './failure.ts'
import { addLiveCommands, liveCommands } from './live-commands.ts'
import { disk } from './open.ts'
import { addReadingCommands, readingCommands } from './reading-commands.ts'
import { run } from './run.ts'
import { shell } from './shell.ts'
import { tcpHarness } from './tcp-harness.ts'
import { trace } from './trace.ts'

/** Bad input: a topology, a manifest, an option. */
const BAD_INPUT = 2
/** Each has the whole world in memory, and a queue of two MiB to each other one. */
const MOST_THREADS = 64

function collect(value: string, before: string[]): string[] {
  return [...before, value]
}

function count(value: string): number {
  const number = Number(value)
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('It is a whole number from 1.')
  return number
}

function protocol(value: string): Protocol {
  const found = protocols.find((known) => known === value)
  if (found === undefined) throw new InvalidArgumentError(`It is one of: ${protocols.join(', ')}.`)
  return found
}

function threads(value: string): number {
  const number = count(value)
  if (number > MOST_THREADS) throw new InvalidArgumentError(`It is a whole number from 1 to ${MOST_THREADS}.`)
  return number
}

/** What commands are given. */
interface Given {
  readonly typed: readonly string[]
  readonly loadBench: LoadBench
  readonly threadEntry: URL | undefined
  readonly done: (code: number) => void
}

/** Adds one command or several. */
type Add = (podwire: Command, given: Given) => void

const adds: readonly (readonly [names: readonly string[], add: Add])[] = [
  [['run'], addRun],
  [['exec'], addExec],
  [['check'], addCheck],
  [['shell'], addShell],
  [['explain'], addExplain],
  [['diff'], addDiff],
  [['trace'], addTrace],
  [['tcp-harness'], addTcpHarness],
  [['drops'], addDrops],
  [readingCommands, (podwire, { done }) => addReadingCommands(podwire, done, withCaptureFiles)],
  [liveCommands, (podwire, { typed, done }) => addLiveCommands(podwire, withCaptureOptions, typed, done)],
  [['bench'], (podwire, { loadBench, done }) => addBenchCommands(podwire, loadBench, done)],
  // It tells of all others.
  [[], addCompletion],
]

function addRun(podwire: Command, { typed, threadEntry, done }: Given): void {
  withCaptureOptions(podwire.command('run'))
    .description('build the topology and run its steps')
    .argument('<topology>', 'a topology file (YAML)')
    .option('--until <time>', 'stop at this virtual time, such as 30s')
    .option('--json', 'print one JSON object per step instead of a terminal')
    .option('--quiet', 'print failures only')
    .option('--threads <n>', 'share the machines among so many threads; any number sees the same frames', threads)
    .action(async (topology: string, options) => {
      done(await run(topology, { ...options, typed, ...(threadEntry === undefined ? {} : { threadEntry }) }))
    })
}

function addExec(podwire: Command, { typed, done }: Given): void {
  withCaptureOptions(podwire.command('exec'))
    .description("build the topology without its steps and run commands in the lab's shell")
    .argument('<topology>', 'a topology file (YAML)')
    .requiredOption('-c, --command <line>', 'a command line; may be given several times', collect, [])
    .action(async (topology: string, options) => {
      done(await exec(topology, { ...options, typed }))
    })
}

function addCheck(podwire: Command, { done }: Given): void {
  podwire
    .command('check')
    .description('read a topology and its manifests, and say what is wrong')
    .argument('<topology>', 'a topology file (YAML)')
    .action(async (topology: string) => {
      done(await check(topology))
    })
}

function addShell(podwire: Command, { typed, done }: Given): void {
  withCaptureOptions(podwire.command('shell'))
    .description("build the topology and open the lab's shell")
    .argument('<topology>', 'a topology file (YAML)')
    .action(async (topology: string, options) => {
      done(await shell(topology, { ...options, typed }))
    })
}

function addExplain(podwire: Command, { done }: Given): void {
  podwire
    .command('explain')
    .description('the way of one packet: each hop, and why it went there')
    .argument('<capture|topology>', 'a pcapng file that podwire wrote, or a topology, which is run')
    .argument('[frame]', 'its number in the merged capture, all.pcapng')
    .option('--on <interface>', 'count the frames of this interface only, such as default/client/eth0')
    .option('--filter <expression>', 'count the frames that match, such as "tcp port 80"; without FRAME the first')
    .option('--packet <id>', 'the packet of this number (frame.packet_id)', count)
    .option('--brief', 'decisions in words only, without the entries and the commands that show them')
    .option('--json', 'print one JSON object')
    .option('--seed <n>', "seed of everything that is random (default: the topology's)", seed)
    .action(async (file: string, frame: string | undefined, options) => {
      done(await explain(file, frame, options))
    })
}

function addDiff(podwire: Command, { done }: Given): void {
  podwire
    .command('diff')
    .description('compare two captures, or two runs of topologies, packet by packet; exit 1 when they differ')
    .argument('<A>', 'a pcapng file that podwire wrote, or a topology, which is run')
    .argument('[B]', 'the same; with --set or --command A again when left out')
    .option('--set <key=value>', 'change a key of topology B, such as kubeProxy.mode=ipvs', collect, [])
    .option('-c, --command <line>', "type this in B before its steps, such as 'ssh w1 sysctl -w …'", collect, [])
    .option('--all', 'list all differences')
    .option('--json', 'print one JSON object')
    .option('--seed <n>', "seed of everything that is random (default: the topology's)", seed)
    .action(async (a: string, b: string | undefined, options) => {
      done(await diff(a, b, options))
    })
}

function addTrace(podwire: Command, { done }: Given): void {
  podwire
    .command('trace')
    .description(
      'send one probe through a topology, and tell its way and that of its answer; exit 1 when it does not arrive',
    )
    .argument('<topology>', 'a topology file (YAML)')
    .requiredOption('--from <sender>', 'pod/NAME, deploy/NAME, node/NAME or host/NAME')
    .requiredOption('--to <target>', 'pod/NAME, svc/NAME, node/NAME, host/NAME, an address or a DNS name, with :PORT')
    .option('--proto <protocol>', `${protocols.join(', ')} (default: the Service port's, else tcp)`, protocol)
    .option('-n, --namespace <name>', 'where pods and Services are, unless they say pod/NAMESPACE/NAME', 'default')
    .option('--after-steps', "run the topology's steps first")
    .option('-c, --command <line>', 'type this before; may be given several times', collect, [])
    .option('--brief', 'decisions in words only, without the entries and the commands that show them')
    .option('--captures <dir>', 'write what was captured: frames have the numbers that they have in DIR/all.pcapng')
    .option('--seed <n>', "seed of everything that is random (default: the topology's)", seed)
    .option('--json', 'print one JSON object')
    .action(async (topology: string, options) => {
      done(await trace(topology, options))
    })
}

function addTcpHarness(podwire: Command, { done }: Given): void {
  podwire
    .command('tcp-harness')
    .description("one host's TCP in virtual time, driven by JSON lines on standard input: a door for test suites")
    .action(async () => {
      done(await tcpHarness())
    })
}

function addDrops(podwire: Command, { done }: Given): void {
  podwire
    .command('drops')
    .description('list why frames are dropped: the reasons in words, and the names that Linux has for them')
    .option('--json', 'print a JSON array')
    .action((options) => {
      done(listDrops(options))
    })
}

/** All of it for whoever asks for help, or mistypes; else only what the first word names: the others take as long as a small lab. */
function program(given: Given): Command {
  const podwire = new Command('podwire')
    .description(
      'A packet-level emulator of Kubernetes and container networking: every frame real, every interface captured.',
    )
    .version(VERSION, '-V, --version')
    .showHelpAfterError('(podwire --help tells more)')
    .exitOverride()
  const [word] = given.typed
  const named = adds.filter(([names]) => names.includes(word))
  for (const [, add] of named.length > 0 ? named : adds) add(podwire, given)
  podwire.addHelpText(
    'after',
    `
Examples:
  podwire run topologies/kiamol-ch03.yaml --captures out
  podwire exec topologies/two-node-flannel.yaml -c 'kubectl get pods -o wide' -c 'ssh w1 ip route'
  podwire explain topologies/two-node-flannel.yaml --filter 'tcp dst port 8001'
  wireshark -o vxlan.udp.port:4789,8472 out/w1.example.com/flannel.1.pcapng
  podwire up topologies/two-node-flannel.yaml      and in another terminal:
  podwire capture default/client w1/flannel.1 -f icmp
  podwire wireshark w1/eth0

Exit codes: 0 all went well; 1 an expectation failed (run); the last command's own (exec); 2 bad input;
3 a fault of podwire itself.`,
  )
  return podwire
}

const noBench: LoadBench = () => {
  throw new Error('who started the command did not say how the benches are loaded')
}

/** What a thread of `run --threads` does instead; false: it is none. */
export async function servedThread(): Promise<boolean> {
  if (!isPartThread()) return false
  await serveThread(disk)
  return true
}

/** Runs one command line; returns its exit code. `threadEntry`: the module of threads, which calls `servedThread`. */
export async function runCli(args: readonly string[], loadBench = noBench, threadEntry?: URL): Promise<number> {
  let code = 0
  try {
    const done = (result: number) => {
      code = result
    }
    await program({ typed: args, loadBench, threadEntry, done }).parseAsync(args, { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : BAD_INPUT
    return reportFailure(error)
  }
}
