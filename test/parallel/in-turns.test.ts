import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { launchInTurns } from '../../src/parallel/in-turns.ts'
import type { FileAccess } from '../../src/topology/load.ts'
import { type Played, play } from './play.ts'

const nothing: FileAccess = { readFile: () => null, listFolder: () => null }

/** All frames, all that was said, and that nothing is left on the way; the switch's ports seen, and not. */
async function same(text: string, threads: readonly number[], files?: FileAccess): Promise<Played> {
  const some = await sameOf(text, threads, files, ['*/eth0', '*/*/eth0', '*/flannel.1', '*/cni0', 'in/*'])
  const all = await sameOf(text, threads, files, [])
  const counts = countsOf(all)
  expect(counts).toEqual({ ...counts, ...countsOf(some) })
  return all
}

/** What each interface counted, by name. */
function countsOf({ result }: Played): Record<string, readonly number[]> {
  const seen = result.capture?.interfaces() ?? []
  return Object.fromEntries(seen.map(({ name, frames, bytes }) => [name, [frames, bytes]]))
}

async function sameOf(
  text: string,
  threads: readonly number[],
  files: FileAccess | undefined,
  capture: readonly string[],
): Promise<Played> {
  const launch = launchInTurns(files ?? nothing)
  const alone = await play(text, 1, files, launch, true, capture)
  expect(alone.steps.flatMap(({ failures }) => failures)).toEqual([])
  for (const count of threads) {
    const together = await play(text, count, files, launch, true, capture)
    expect(together.said).toBe(alone.said)
    expect(together.steps).toEqual(alone.steps)
    expect(together.result.now).toBe(alone.result.now)
    expect(Buffer.compare(together.file, alone.file)).toBe(0)
    expect(together.result.spent.map(({ inFlight }) => inFlight)).toEqual(Array(count).fill(0))
    expect(together.result.spent.reduce((sum, { frames }) => sum + frames, 0)).toBe(alone.result.spent[0].frames)
  }
  return alone
}

describe('any number of threads sees the same', () => {
  test('streams, pings and commands of several machines at once, at the same nanosecond', async () => {
    const alone = await same(
      `
underlay: {cidr: 10.0.0.0/24}
hosts:
  - {name: a, ip: 10.0.0.1}
  - {name: b, ip: 10.0.0.2, run: ['iperf3 -s']}
  - {name: c, ip: 10.0.0.3, run: ['iperf3 -s', 'ping -q -i 0.3 10.0.0.1']}
  - {name: d, ip: 10.0.0.4}
  - {name: e, ip: 10.0.0.5, image: httpd}
events:
  - {at: 4s, run: ssh e ping -c 2 10.0.0.1}
steps:
  - run: ssh a ping -c 2 10.0.0.2 & ssh b ping -c 2 10.0.0.1 & ssh d ping -c 2 10.0.0.2 & ssh e ping -c 2 10.0.0.2 & wait
    expect:
      frames:
        - {on: b/eth0, filter: 'icmp[icmptype] == icmp-echo', count: 8}
        - {on: '*/eth0', filter: 'icmp[icmptype] == icmp-echo and host 10.0.0.2', count: 16}
  - run: ssh a iperf3 -c 10.0.0.2 -n 200K & ssh d iperf3 -u -c 10.0.0.3 -n 20K & ssh c curl -s http://10.0.0.5/ & wait
    expect: {contains: [It works!, iperf Done.]}
  - run: for who in a b c; do ssh $who ping -c 1 10.0.0.4 | grep received; done; ssh a false
    expect: {exit: 1, matches: '(1 packets transmitted, 1 received.*\\n){3}'}
  - wait: 1s
`,
      [2, 3, 5],
    )
    expect(alone.result.capture?.frames).toBeGreaterThan(1000)
  })

  test('cables that lose, vary and hold frames back; programs that draw lots', async () => {
    await same(
      `
underlay: {cidr: 10.0.0.0/24, cable: {delay: 300us, jitter: 100us, loss: 5%, rate: 100mbit}}
hosts:
  - {name: a, ip: 10.0.0.1, run: ['iperf3 -s']}
  - {name: b, ip: 10.0.0.2}
  - {name: c, ip: 10.0.0.3}
steps:
  - run: ssh b iperf3 -c 10.0.0.1 -n 100K & ssh c ping -q -c 30 -i 0.01 10.0.0.2 & wait
  - run: ssh c tc qdisc add dev eth0 root netem delay 5ms 2ms loss 10% duplicate 10%
  - run: ssh c ping -q -c 30 -i 0.01 10.0.0.2
`,
      [2, 3],
    )
  })

  test('cables that are full', async () => {
    const alone = await same(
      `
underlay: {cidr: 10.0.0.0/24, cable: {delay: 300us, jitter: 250us, rate: 10mbit}}
hosts:
  - {name: a, ip: 10.0.0.1, run: ['iperf3 -s']}
  - {name: b, ip: 10.0.0.2}
  - {name: c, ip: 10.0.0.3, run: ['iperf3 -s']}
  - {name: d, ip: 10.0.0.4}
steps:
  - run: ssh b iperf3 -u -c 10.0.0.1 -b 200M -n 3M -l 1000 & ssh d iperf3 -u -c 10.0.0.3 -b 200M -n 3M -l 1000 & wait
`,
      [2, 3],
    )
    expect(alone.said).toMatch(/\d+\/\d+ \((?!0%)[\d.]+%\) +receiver/)
  })

  test('devices that come and go on a machine, and routers between', async () => {
    await same(
      `
underlay: {cidr: 10.0.0.0/24}
hosts:
  - {name: a, ip: 10.0.0.1, routes: [10.9.0.0/24 via 10.0.0.2]}
  - {name: b, ip: 10.0.0.2, router: true}
steps:
  - run: >-
      ssh b 'ip netns add in; ip link add v type veth peer name w netns in; ip addr add 10.9.0.1/24 dev v; ip link set v up;
      ip -n in addr add 10.9.0.2/24 dev w; ip -n in link set w up; ip -n in route add default via 10.9.0.1'
  - run: ssh a ping -c 2 10.9.0.2
    expect: {contains: 2 received, frames: [{on: in/w, filter: icmp, count: 4}]}
  - run: ssh b ip link del v
  - run: ssh a ping -c 1 -W 1 10.9.0.2
    expect: {exit: 1}
`,
      [2],
    )
  })

  test('stations that speak for minutes, are silent, and are forgotten by the switch after five', async () => {
    const hosts = ['a', 'b', 'c', 'd', 'e'].map((name, i) => `  - {name: ${name}, ip: 10.0.0.${i + 1}}`)
    const waits = [10, 95, 110, 190, 250, 290, 299, 301, 310, 400]
    const alone = await same(
      `
underlay: {cidr: 10.0.0.0/24}
hosts:
${hosts.join('\n')}
steps:
  - run: for who in a b c d e; do ssh $who 'for i in 1 2 3 4 5; do ping -c 1 10.0.0.$i > /dev/null; done'; done
  - run: ssh a ping -q -c 250 10.0.0.2
${waits.map((wait, i) => `  - {wait: ${wait}s, run: ssh ${'abcde'[i % 5]} ping -c 1 10.0.0.${((i + 3) % 5) + 1}}`).join('\n')}
`,
      [2, 3],
    )
    // A frame to a station that was forgotten is seen at every port.
    expect(alone.result.capture?.interfaces().find(({ name }) => name === 'switch/p-e')?.frames).toBeGreaterThan(5)
  })

  test('a cluster: pods on two nodes, a Service, DNS', async () => {
    const folder = new URL('../../topologies/', import.meta.url)
    const files: FileAccess = {
      readFile: (path) => readFileSync(new URL(path, folder), 'utf8'),
      listFolder: (path) => readdirSync(new URL(path, folder)),
    }
    await same(files.readFile('two-node-flannel.yaml') ?? '', [2], files)
  })
})

test('the frames before the machines went their own ways are those of a plain run', async () => {
  const text = `
underlay: {cidr: 10.0.0.0/24}
hosts:
  - {name: a, ip: 10.0.0.1}
  - {name: b, ip: 10.0.0.2}
steps: [{run: ssh a ping -c 1 10.0.0.2}]
`
  const [first] = (await play(text, 2)).said.match(/time=.*/) ?? []
  // ARP and the echo, each way by two cables of 50 µs.
  expect(first).toBe('time=0.400 ms')
})

describe('what cannot be split is refused', () => {
  const lab = (cable: string, more = '') => `
underlay: {cidr: 10.0.0.0/24, cable: ${cable}}
hosts: [{name: a, ip: 10.0.0.1}, {name: b, ip: 10.0.0.2}]
${more}`
  test.each([
    ['{delay: 0ms}', '', 'the cable of a, by which a frame may take no time at all, is not modelled with --threads'],
    ['{delay: 1ms, jitter: 1ms}', '', 'the cable of a, by which a frame may take no time at all,'],
    ['{duplicate: 1%}', '', 'the cable of a, which duplicates, damages, reorders or correlates, is not modelled'],
    ['{delay: 1ms}', 'events: [{at: 1s, link: a/eth0 down}]', 'pulling a cable (a/eth0 down) is not modelled'],
    ['{delay: 1ms}', 'steps: [{link: a/eth0 down}]', 'pulling a cable (a/eth0 down) is not modelled'],
  ])('%s %s', async (cable, more, sentence) => {
    await expect(play(lab(cable, more), 2)).rejects.toThrow(`podwire: ${sentence}`)
  })

  test('what a machine does to its cable', async () => {
    const down = lab('{delay: 1ms}', 'steps: [{run: ssh a ip link set eth0 down}]')
    await expect(play(down, 2)).rejects.toThrow('podwire: taking down eth0 of a is not modelled with --threads')
    const other = 'ssh a ip link set eth0 address $(ssh b ip -br link show eth0 | grep -o "52:[0-9a-f:]*")'
    const twin = lab('{delay: 1ms}', `steps: [{run: '${other}; ssh a ping -c 1 10.0.0.2'}]`)
    await expect(play(twin, 2)).rejects.toThrow('sends with the MAC of another is not modelled with --threads')
  })

  test('a step that hears something of a pod at once', async () => {
    const folder = new URL('../../topologies/', import.meta.url)
    const files: FileAccess = {
      readFile: (path) => readFileSync(new URL(path, folder), 'utf8'),
      listFolder: (path) => readdirSync(new URL(path, folder)),
    }
    const text = (files.readFile('two-node-flannel.yaml') ?? '').replace(
      /steps:.*/s,
      'steps: [{run: kubectl logs web}]',
    )
    const { steps } = await play(text, 2, files)
    expect(steps[0].output).toContain('podwire: kubectl logs is not modelled with --threads')
  })
})

test('a step that fails is the last', async () => {
  const text = `
underlay: {cidr: 10.0.0.0/24}
hosts: [{name: a, ip: 10.0.0.1}, {name: b, ip: 10.0.0.2}]
steps:
  - {run: ssh a ping -c 1 10.0.0.2, expect: {frames: [{on: b/eth0, filter: icmp, count: 3}]}}
  - {run: ssh b ping -c 1 10.0.0.1}
`
  const { steps, result } = await play(text, 2)
  expect(steps).toHaveLength(1)
  expect(result.failed?.failures).toEqual(['2 frames on b/eth0 match icmp, expected 3'])
})

test('a program that waits for ever ends the run, in each thread', async () => {
  const text = `
underlay: {cidr: 10.0.0.0/24}
hosts: [{name: a, ip: 10.0.0.1}, {name: b, ip: 10.0.0.2}]
steps: [{run: ssh a nc -l -p 9}]
`
  await expect(play(text, 2)).rejects.toThrow('no event is left, and what was asked for has not happened')
})
