/** What a topology says about cables and events: what comes of it, and what is refused with its place. */
import { describe, expect, test } from 'vitest'
import { Lab } from '../../src/topology/lab.ts'
import { loadTopology } from '../../src/topology/load.ts'
import { TopologyError } from '../../src/topology/problem.ts'
import { runStep } from '../../src/topology/steps.ts'

const head = 'underlay: {cidr: 10.0.0.0/24}\nhosts:\n  - {name: a, ip: 10.0.0.1}\n'
const withCable = (cable: string) => `${head}  - {name: b, ip: 10.0.0.2, cable: {${cable}}}\n`

function said(text: string): string {
  try {
    loadTopology('topo.yaml', text)
  } catch (error) {
    if (error instanceof TopologyError) return error.message
    throw error
  }
  return 'no problem'
}

async function built(text: string): Promise<Lab> {
  const files = { readFile: () => null, listFolder: () => null }
  const lab = await Lab.build(loadTopology('topo.yaml', text), { ...files, capture: null })
  lab.world.frames.poison = true
  return lab
}

async function says(lab: Lab, line: string): Promise<string> {
  return (await lab.say(line)).output
}

describe('a cable', () => {
  test('each direction on its own, the own words before those of the underlay', async () => {
    const lab = await built(
      withCable('delay: 1ms, toSwitch: {delay: 5ms}, fromSwitch: {duplicate: 100%}').replace(
        'cidr: 10.0.0.0/24',
        'cidr: 10.0.0.0/24, cable: {delay: 10us}',
      ),
    )
    await says(lab, 'ssh a ping -c 1 10.0.0.2')
    // 10 us + 1 ms there, 5 ms + 10 us back; what comes to b comes twice, so b answers twice.
    const text = await says(lab, 'ssh a ping -c 2 -i 0.5 10.0.0.2')
    expect(text).toMatch(/icmp_seq=1 ttl=64 time=6\.[0-9]+ ms\n.*icmp_seq=1 ttl=64 time=6\.[0-9]+ ms \(DUP!\)/)
    await lab.runner.runFor(60e9)
    expect(lab.world.frames.inUse).toBe(0)
  })

  test('loses all with loss: 100%, and damages with corrupt: 100%', async () => {
    const lossy = await built(withCable('toSwitch: {loss: 100%}'))
    expect(await says(lossy, 'ssh b ping -c 1 -W 1 10.0.0.1')).toContain('100% packet loss')
    const bad = await built(withCable('toSwitch: {corrupt: 100%, limit: 5}'))
    await says(bad, 'ssh b ping -c 3 -i 0.2 -W 1 10.0.0.1')
    for (const lab of [lossy, bad]) {
      await lab.runner.runFor(60e9)
      expect(lab.world.frames.inUse).toBe(0)
    }
  })

  test('the same seed, the same chances; correlation is taken', async () => {
    const run = async () => {
      const text = withCable(
        'delay: 1ms, jitter: "500us 20%", loss: "30% 40%", reorder: "10% 5%", gap: 3, rate: 10mbit',
      )
      return says(await built(text), 'ssh b ping -c 20 -i 0.2 10.0.0.1')
    }
    expect(await run()).toBe(await run())
  })

  test('what cannot be is refused with its place', () => {
    expect(said(withCable('loss: 101%'))).toBe(
      `error: hosts[1].cable.loss is "101%"
 --> topo.yaml:4:43  (hosts[1].cable.loss)
4 |   - {name: b, ip: 10.0.0.2, cable: {loss: 101%}}
  |                                           ^^^^
  = expected a chance, such as 0.01, 1% or, with its correlation, "1% 25%"`,
    )
    expect(said(withCable('loss: 1.5'))).toContain('hosts[1].cable.loss is 1.5')
    expect(said(withCable('loss: [1]'))).toContain('expected a chance, such as 0.01')
    expect(said(withCable('jitter: "2ms 300%"'))).toContain('or with its correlation "2ms 25%"')
    expect(said(withCable('limit: 0'))).toContain('expected at least 1')
    expect(said(withCable('toSwitch: {dely: 5ms}'))).toContain('help: did you mean "delay"?')
    expect(said(withCable('toSwich: {delay: 5ms}'))).toContain('help: did you mean "toSwitch"?')
    expect(said(withCable('loss: 0.01, duplicate: 1%, corrupt: 0.1%, reorder: "25% 50%", gap: 5'))).toBe('no problem')
  })
})

describe('events', () => {
  const quiet = { say: () => {}, command: () => {}, output: () => {} }

  test('are refused when they cannot be', () => {
    const event = (text: string) => said(`${head}events: [{${text}}]\n`)
    expect(event('at: 5s, link: a/eth0 down')).toBe('no problem')
    expect(event('at: 5s, link: a up')).toBe('no problem')
    expect(event("at: '5', link: a up")).toContain('expected a duration with its unit')
    expect(event('at: 5s, link: a off')).toContain(
      'expected a machine and what becomes of its cable, such as "w1/eth0 down"',
    )
    expect(event('at: 5s')).toContain('expected either link or run')
    expect(event('at: 5s, link: a up, run: ls')).toContain('expected either link or run')
    expect(event('at: 5s, link: aa down')).toContain('error: there is no machine "aa"')
    expect(event('at: 5s, link: aa down')).toContain('did you mean "a"?')
    expect(said(`${head}steps: [{link: z down}]\n`)).toContain('(steps[0].link)')
  })

  test('a pulled cable: no carrier at both ends, neighbours forgotten, frames lost; and back again', async () => {
    const lab = await built(`${withCable('delay: 1ms')}events: [{at: 30s, link: b down}, {at: 40s, link: b up}]\n`)
    await says(lab, 'ssh b ping -c 1 10.0.0.1')
    expect(await says(lab, 'ssh b ip neigh')).toContain('10.0.0.1 dev eth0')
    await lab.runner.runTo(lab.world.scheduler.now + 31e9)
    expect(await says(lab, 'ssh b ip link show eth0')).toContain('<NO-CARRIER,BROADCAST,MULTICAST,UP>')
    expect(await says(lab, 'ssh b ip neigh')).toBe('')
    await lab.runner.runFor(10e9)
    expect(await says(lab, 'ssh b ping -c 1 10.0.0.1')).toContain('1 received')
    expect(await says(lab, 'ssh b ip link show eth0')).toContain('<BROADCAST,MULTICAST,UP,LOWER_UP>')
    await lab.runner.runFor(60e9)
    expect(lab.world.frames.inUse).toBe(0)
  })

  test('a command runs at its time; one that fails fails the step that is under way', async () => {
    const lab = await built(
      `${head}events: [{at: 1s, run: ssh a tc qdisc add dev eth0 root pfifo}, {at: 3s, run: ssh a tc qdisc add dev eth0 root pfifo}]\n`,
    )
    await lab.runner.runFor(1.5e9)
    expect(await says(lab, 'ssh a tc qdisc show dev eth0')).toContain('qdisc pfifo 8001:')
    const step = { wait: '3s' }
    const { failures } = await runStep(lab, step, 1, quiet)
    expect(failures).toEqual([
      'the event `ssh a tc qdisc add dev eth0 root pfifo` ended with exit code 2: Error: Exclusivity flag on, cannot modify.',
    ])
  })
})

test('routes of a host may have several next hops', async () => {
  const lab = await built(
    'underlay: {cidr: 10.0.0.0/24}\nhosts:\n' +
      '  - {name: a, ip: 10.0.0.1, routes: [10.9.0.0/16 nexthop via 10.0.0.2 weight 3 nexthop via 10.0.0.3]}\n' +
      '  - {name: b, ip: 10.0.0.2, addresses: [10.9.0.1]}\n  - {name: c, ip: 10.0.0.3, addresses: [10.9.0.1]}\n',
  )
  expect(await says(lab, 'ssh a ip route show 10.9.0.0/16')).toBe(
    '10.9.0.0/16 \n\tnexthop via 10.0.0.2 dev eth0 weight 3 \n\tnexthop via 10.0.0.3 dev eth0 weight 1 \n',
  )
  expect(await says(lab, 'ssh a ping -c 1 10.9.0.1')).toContain(' 0% packet loss')
  await lab.runner.runFor(60e9)
  expect(lab.world.frames.inUse).toBe(0)
})
