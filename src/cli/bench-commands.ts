/**
 * `podwire bench`: options here, the work in the bench room. It is no part of the bundled command (bundle.ts), and a script
 * that V8 compiled before cannot import; so who starts the command hands over how it is loaded.
 */

import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { disk } from './open.ts'
import { Progress } from './progress.ts'
import { INLINING } from './v8.ts'

function above(value: string): number {
  const number = Number(value)
  if (!(number > 0 && number <= 3600)) throw new InvalidArgumentError('It is a number of seconds above 0.')
  return number
}

function share(value: string): number {
  const number = Number(value)
  if (!(number >= 0 && number < 100)) throw new InvalidArgumentError('It is a percentage from 0, below 100.')
  return number
}

function whole(value: string): number {
  const number = Number(value)
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('It is a whole number from 1.')
  return number
}

/** `--against kernel,ns3` is the same as `--against kernel --against ns3`. */
function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, ...value.split(',')]
}

/** Its measuring processes are given what this one told V8. */
const v8Flags = [INLINING]

export type LoadBench = () => Promise<typeof import('../bench/command.ts')>

export function addBenchCommands(podwire: Command, loadBench: LoadBench, done: (code: number) => void): void {
  const bench = podwire.command('bench')
  bench
    .description(
      'measure the forwarding core: what a frame costs, the flow cache off and on side by side; exit 1 when slower',
    )
    .argument(
      '[workloads...]',
      'W1 to W6, size, rules, pods, nodes, or one point such as W4/64; all without one (some five minutes)',
    )
    .option('--seconds <n>', 'measure each for so long, in each round', above, 0.5)
    .option('--warm <n>', 'warm up for so long (CPU time; default: by workload, 1 to 3)', above)
    .option(
      '--rounds <n>',
      'medians of so many rounds, off and on in alternation (default: 3; scales without a word: 1)',
      whole,
    )
    .option('--json', 'print one JSON object, which --compare takes')
    .option('--compare <baseline.json>', 'flag what is slower, or allocates more, than then')
    .option('--threshold <percent>', 'and by how much more than the rounds differ it may be', share, 10)
    .option('--against <peer>', 'measure another forwarder in the same rounds; may be given several times', collect)
    .option('--plot <file.svg>', 'draw cost against rules, Services, pods, nodes and frame size')
    .addHelpText('after', `\n${WORKLOADS}`)
    .action(async (workloads: string[], options) => {
      const { bench } = await loadBench()
      done(await bench(workloads, { ...options, v8Flags }))
    })
  bench
    .command('sweep')
    .description('run every combination of parameters with every seed, on all cores or on many machines')
    .argument('[sweep]', 'a sweep (YAML): what is run, its parameters with their values, and seeds')
    .option('--threads <n>', 'so many jobs at a time (default: as many as there are cores)', whole)
    .option('--redis <url>', 'have workers do the jobs, wherever they are: redis://host:port or a socket, Valkey too')
    .option('--worker', 'be a worker: do jobs from --redis until stopped')
    .option('--json', 'print one JSON object with every job')
    .option('--csv', 'print one line for every job')
    .addHelpText('after', `\n${SWEEP}`)
    .action(async (file: string | undefined, _, command: Command) => {
      // --json is an option of `bench` itself, too, which takes it first.
      const options = command.optsWithGlobals()
      const { sweep } = await loadBench()
      const progress = new Progress(!options.json && !options.csv)
      const show = (text: string) => progress.show(text)
      const code = await sweep(file, { ...options, open: opened(file), progress: show, stopped: interrupted })
      progress.done()
      done(code)
    })
}

/** Files are looked for beside the sweep first. */
function opened(sweep = '') {
  return (path: string) => {
    const file = [join(dirname(sweep), path), path].find((each) => existsSync(each)) ?? path
    const access = disk(file)
    return { file, text: existsSync(file) ? access.readFile(resolve(file)) : null, access }
  }
}

/** When somebody wants this process to end. */
function interrupted(): Promise<void> {
  return new Promise((done) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => done())
  })
}

const SWEEP = `A sweep:

  run: tcp                    one TCP flow over one cable, for so many seconds of virtual time
  seconds: 10
  parameters:                 control, loss, delay, jitter, rate, queue
    control: [cubic, bbr]
    loss: [0%, 0.1%, 1%]
    delay: [1ms, 10ms]
  seeds: 5                    or a list of them

  run: bench                  a workload of podwire bench, measured for so many seconds of the wall's
  point: W2                   W1 to W6, pods
  parameters: {rules: [0, 10, 100], frame: [64, 1450], flowCache: [true, false]}

  run: topology               commands in a topology of your own
  topology: lab.yaml
  commands: ['ssh a iperf3 -c 10.0.0.2 -t 5 -C \${control} -f m']
  measure: {goodput: '([\\d.]+) Mbits/sec.*receiver'}
  parameters: {control: [cubic, bbr], underlay.cable.delay: [1ms, 10ms]}

Outcomes in virtual time are the same on every machine. With --redis all jobs are kept by their ids: a worker's that dies are done by
another, and a sweep that is started again goes on where it was.
`

const WORKLOADS = `W1  bridge: pod, bridge, pod            W4  overlay: a Service through VXLAN between nodes
W2  route: host, router, host           W5  tcp: one connection through W4's path
W3  service: kube-proxy's DNAT          W6  connect: first packets, among 10 to 10,000 Services
size, rules, pods, nodes: the same paths, longer and wider

frames/CPU-s  frames that arrived whole, per second of CPU time
ns/hop        from one cable to the next: every hop is executed with the flow cache off; with it on, known flows repeat
              what was decided, with the same bytes, counters and tables
B/frame       bytes that were allocated for each frame
GC            part of the time in which garbage was collected

--against PEER: its frames/CPU-s (W5: Gbit/s of payload) and how many times as fast podwire is, flow cache off and on; everybody on one core
  kernel         Linux in network namespaces of its own, W1 to W6, size and rules: root, and gcc libc6-dev iproute2 iptables nftables ethtool
  kernel-nft     the same with iptables-nft instead of iptables-legacy
  ns3            ns-3 without checksums, its default, W1, W2 and W5: g++ libns3-dev
  ns3-checksums  with them, as podwire's frames have them
`
