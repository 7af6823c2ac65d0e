/**
 * `npm run bench -- parallel [RUNS [SECONDS [DELAY]]]`: a topology of 200 machines on one switch, played by one thread and by two, in
 * alternation, for so much virtual time, by cables of this delay. Everything goes across the underlay, among pairs that a seed draws
 * (half of them have one machine in each thread): TCP streams, UDP streams, pings and pages.
 */
import { pathToFileURL } from 'node:url'
import { Crew, type CrewResult } from '../src/parallel/crew.ts'
import { launchThreads } from '../src/parallel/threads.ts'
import { Random } from '../src/sim/random.ts'
import { loadTopology } from '../src/topology/load.ts'

const MACHINES = 200
const SERVERS = MACHINES / 2

const address = (machine: number) => `10.0.${machine >> 8}.${machine & 255}`

/** The topology as a file would have it. */
export function topologyText(seconds: number, delay = '200us'): string {
  const random = new Random(7)
  const servers = Array.from({ length: SERVERS }, (_, i) => i + 1)
  for (let i = servers.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    ;[servers[i], servers[j]] = [servers[j], servers[i]]
  }
  const hosts = Array.from({ length: MACHINES }, (_, i) => {
    const serves = i < SERVERS ? ", image: httpd, run: ['iperf3 -s']" : ''
    return `  - {name: m${i + 1}, ip: ${address(i + 1)}${serves}}`
  })
  const commands = servers.map((server, i) => {
    const to = address(server)
    const from = `ssh m${SERVERS + i + 1}`
    if (i % 4 === 0) return `${from} iperf3 -c ${to} -t ${seconds} -b 40M > /dev/null`
    if (i % 4 === 1) return `${from} iperf3 -u -c ${to} -t ${seconds} -b 20M > /dev/null`
    if (i % 4 === 2) return `${from} ping -q -i 0.002 -c ${Math.round(seconds * 500)} ${to} > /dev/null`
    return `${from} 'for i in $(seq ${Math.round(seconds * 150)}); do curl -s http://${to}/ > /dev/null; done'`
  })
  return [
    'name: parallel',
    `underlay: {cidr: 10.0.0.0/16, cable: {delay: ${delay}, rate: 1gbit}}`,
    'hosts:',
    ...hosts,
    'steps:',
    `  - run: ${JSON.stringify(`${commands.join(' & ')} & wait`)}`,
    '',
  ].join('\n')
}

interface Measured {
  readonly result: CrewResult
  readonly cpu: number
  readonly wall: number
}

async function measure(threads: number, text: string): Promise<Measured> {
  const entry = pathToFileURL(process.argv[1])
  const none = () => {}
  const cpu = process.cpuUsage()
  const began = performance.now()
  const result = await Crew.run(
    loadTopology('parallel.yaml', text),
    { threads, capture: null, listener: { say: none, command: none, output: none } },
    launchThreads(entry, 'parallel.yaml'),
  )
  const { user, system } = process.cpuUsage(cpu)
  return { result, cpu: (user + system) / 1e6, wall: (performance.now() - began) / 1000 }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]
}

export async function parallelTable(): Promise<void> {
  // Long enough that what each thread compiles at first, for itself, weighs little.
  const [runs = '5', seconds = '10', delay] = process.argv.slice(3)
  const text = topologyText(Number(seconds), delay)
  const rates: number[] = []
  const busiest: number[] = []
  process.stdout.write('threads   built s   run s   CPU s   frames told   waited, of each thread\n')
  for (let run = 0; run < Number(runs); run++) {
    const times: number[] = []
    const cpus: number[] = []
    for (const threads of [1, 2]) {
      const { result, cpu } = await measure(threads, text)
      if (result.failed !== null) throw new Error(`the topology failed: ${result.failed.failures.join(', ')}`)
      const { spent } = result
      const running = Math.max(...spent.map((each) => each.running)) / 1000
      times.push(running)
      cpus.push(Math.max(...spent.map((each) => each.cpu)))
      const cells = [
        String(threads).padStart(7),
        (Math.max(...spent.map(({ building }) => building)) / 1000).toFixed(2).padStart(9),
        running.toFixed(2).padStart(7),
        cpu.toFixed(2).padStart(7),
        String(spent.reduce((sum, { frames }) => sum + frames, 0)).padStart(13),
        spent
          .map((each) => `${(each.cpu / 1000).toFixed(2)} s, ${((100 * each.waited) / each.running).toFixed(0)} %`)
          .join('   ')
          .padStart(32),
      ]
      process.stdout.write(`${cells.join(' ')}\n`)
    }
    rates.push(times[0] / times[1])
    busiest.push(cpus[0] / cpus[1])
  }
  process.stdout.write(`two threads are ${median(rates).toFixed(2)} times as fast (median of ${runs})\n`)
  // Where the machine does other work besides, a thread waits for its processor, and each for the other: this does not count that.
  process.stdout.write(
    `one thread was on a processor ${median(busiest).toFixed(2)} times as long as the busier of two\n`,
  )
}
