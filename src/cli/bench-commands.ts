/**
 * `podwire bench`: options here, the work in the bench room. It is no part of the bundled command (bundle.ts), and a script
 * that V8 compiled before cannot import; so who starts the command hands over how it is loaded.
 */
import { type Command, InvalidArgumentError } from 'commander'
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

/** Its measuring processes are given what this one told V8. */
const v8Flags = [INLINING]

export type LoadBench = () => Promise<typeof import('../bench/command.ts')>

export function addBenchCommands(podwire: Command, loadBench: LoadBench, done: (code: number) => void): void {
  podwire
    .command('bench')
    .description(
      'measure the forwarding core: what a frame costs, the flow cache off and on side by side; exit 1 when slower',
    )
    .argument('[workloads...]', 'W1 to W6, size, rules, pods, nodes, or one point such as W4/64; all without one')
    .option('--seconds <n>', 'measure each for so long, in each round', above, 0.5)
    .option('--warm <n>', 'warm up for so long (CPU time; default: by workload, 1 to 3)', above)
    .option('--rounds <n>', 'medians of so many rounds, off and on in alternation', whole, 3)
    .option('--json', 'print one JSON object, which --compare takes')
    .option('--compare <baseline.json>', 'flag what is slower, or allocates more, than then')
    .option('--threshold <percent>', 'and by how much more than the rounds differ it may be', share, 10)
    .option('--plot <file.svg>', 'draw cost against rules, Services, pods, nodes and frame size')
    .addHelpText('after', `\n${WORKLOADS}`)
    .action(async (workloads: string[], options) => {
      const { bench } = await loadBench()
      done(await bench(workloads, { ...options, v8Flags }))
    })
}

const WORKLOADS = `W1  bridge: pod, bridge, pod            W4  overlay: a Service through VXLAN between nodes
W2  route: host, router, host           W5  tcp: one connection through W4's path
W3  service: kube-proxy's DNAT          W6  connect: first packets, among 10 to 10,000 Services
size, rules, pods, nodes: the same paths, longer and wider

frames/CPU-s  frames that arrived whole, per second of CPU time
ns/hop        from one cable to the next: every hop is executed with the flow cache off; with it on, known flows repeat
              what was decided, with the same bytes, counters and tables
B/frame       bytes that were allocated for each frame
GC            part of the time in which garbage was collected
`
