import { bufferTime, config, firstValueFrom, map, NEVER, type Subscription, take, timer, toArray } from 'rxjs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { NetDevice } from '../../src/link/device.ts'
import { journal } from '../../src/link/flow-cache.ts'
import type { ObservedDecision } from '../../src/observe/decisions.ts'
import type { ObservedDrop } from '../../src/observe/drops.ts'
import type { ObservedEvent } from '../../src/observe/events.ts'
import type { ObservedFlow } from '../../src/observe/flows.ts'
import type { ObservedFrame } from '../../src/observe/frames.ts'
import { observe } from '../../src/observe/observe.ts'
import { MILLISECOND, SECOND } from '../../src/sim/scheduler.ts'
import type { Lab } from '../../src/topology/lab.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import { hosts, topology } from './labs.ts'

let lab: Lab
let open: Subscription[] = []
beforeEach(async () => {
  lab = await hosts()
  open = []
})
afterEach(async () => {
  for (const each of open) each.unsubscribe()
  await lab.runner.runFor(200 * SECOND)
  expect(lab.world.frames.inUse).toBe(0)
})

function device(place: string): NetDevice {
  const found = [...lab.world.devices.keys()].find((each) => each.place === place)
  if (found === undefined) throw new Error(`no ${place}`)
  return found
}

const ping = (count = 1) => lab.say(`ssh a ping -c ${count} 10.0.0.2`)

describe('frames', () => {
  it('of one interface: copies with time, direction, packet id and tcpdump text', async () => {
    const seen: ObservedFrame[] = []
    open.push(observe.frames(device('a/eth0')).subscribe((frame) => seen.push(frame)))
    await ping()
    expect(seen.map(({ interface: at, direction, text }) => `${at} ${direction} ${text}`)).toEqual([
      'a/eth0 out ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28',
      'a/eth0 in ARP, Reply 10.0.0.2 is-at ' +
        `${lab.machines.get('b')?.netns.devices.get('eth0')}`.slice(5) +
        ', length 28',
      expect.stringMatching(
        /^a\/eth0 out IP 10\.0\.0\.1 > 10\.0\.0\.2: ICMP echo request, id \d+, seq (0|1), length 64$/,
      ),
      expect.stringMatching(/^a\/eth0 in IP 10\.0\.0\.2 > 10\.0\.0\.1: ICMP echo reply, id \d+, seq (0|1), length 64$/),
    ])
    expect(seen[2].bytes.length).toBe(98)
    expect(seen.map(({ time }) => time)).toEqual(seen.map(({ time }) => time).toSorted((x, y) => x - y))
    expect(new Set(seen.map(({ packetId }) => packetId)).size).toBe(4)
  })

  it('of a lab by globs and a pcap-filter: one packet has one id on all its hops', async () => {
    const seen: ObservedFrame[] = []
    const options = { interfaces: ['a/eth0', '*/p-?', 'b/*'], filter: 'icmp[icmptype] == icmp-echo' }
    open.push(observe.frames(lab, options).subscribe((frame) => seen.push(frame)))
    await ping()
    expect(seen.map(({ interface: at, direction }) => `${at} ${direction}`)).toEqual([
      'a/eth0 out',
      'switch/p-a in',
      'switch/p-b out',
      'b/eth0 in',
    ])
    expect(new Set(seen.map(({ packetId }) => packetId)).size).toBe(1)
  })

  it('says at once what is wrong with a filter', () => {
    expect(() => observe.frames(lab, { filter: 'prot 99' })).toThrow()
  })

  it('fills taps on subscription and clears them after, in whatever order', async () => {
    const eth0 = device('a/eth0')
    const frames = observe.frames(eth0)
    expect(eth0.tap).toBeNull()
    const first = frames.subscribe()
    const second = frames.subscribe()
    expect(eth0.tap).not.toBeNull()
    first.unsubscribe()
    second.unsubscribe()
    expect(eth0.tap).toBeNull()
  })

  it('hears devices that come later, and completes with the device', async () => {
    const seen: string[] = []
    open.push(observe.frames(lab, { interfaces: 'a/extra' }).subscribe((frame) => seen.push(frame.text)))
    await lab.say('ssh a ip link add extra type dummy')
    await lab.say('ssh a ip link set extra up')
    await lab.say('ssh a ip address add 10.5.0.1/24 dev extra')
    let done = false
    open.push(observe.frames(device('a/extra')).subscribe({ complete: () => (done = true) }))
    await lab.say('ssh a ping -c 1 -W 1 10.5.0.9')
    expect(seen.length).toBeGreaterThan(0)
    expect(done).toBe(false)
    await lab.say('ssh a ip link del extra')
    expect(done).toBe(true)
  })

  it('unsubscribing in the middle of an emission is safe, for oneself and for others', async () => {
    const seen: string[] = []
    const eth0 = device('a/eth0')
    const second: Subscription[] = []
    open.push(
      observe.frames(eth0).subscribe(() => {
        seen.push('first')
        second[0].unsubscribe()
      }),
    )
    second.push(observe.frames(eth0).subscribe(() => seen.push('second')))
    open.push(
      observe
        .frames(eth0)
        .pipe(take(1))
        .subscribe(() => seen.push('third')),
    )
    await ping()
    expect(seen.slice(0, 3)).toEqual(['first', 'third', 'first'])
    expect(seen).not.toContain('second')
  })

  it('an error of a subscriber or a filter does not stop the world; rxjs reports it', async () => {
    const reported: unknown[] = []
    config.onUnhandledError = (error) => reported.push(error)
    try {
      open.push(
        observe.frames(device('a/eth0')).subscribe(() => {
          throw new Error('mine')
        }),
      )
      let failed: unknown = null
      const filter = () => {
        throw new Error('filter')
      }
      open.push(observe.frames(lab, { filter }).subscribe({ error: (error) => (failed = error) }))
      expect((await ping()).output).toContain('1 packets transmitted, 1 ')
      await new Promise((resolve) => setTimeout(resolve, 5))
      expect(reported.map(String)).toContain('Error: mine')
      expect(String(failed)).toBe('Error: filter')
    } finally {
      config.onUnhandledError = null
    }
  })
})

describe('drops', () => {
  it('with place, reason, kernel name, words and the packet', async () => {
    const seen: ObservedDrop[] = []
    open.push(observe.drops(lab).subscribe((drop) => seen.push(drop)))
    await lab.say('ssh b iptables -A INPUT -p icmp -j DROP')
    await lab.say('ssh a ping -c 1 -W 1 10.0.0.2')
    await lab.say('ssh a ping -c 1 -W 1 10.0.0.77')
    await lab.runner.runFor(5 * SECOND)
    expect(seen.map(({ where, reason, kernel, layer }) => `${where} ${reason} ${kernel} ${layer}`)).toEqual([
      'b Netfilter SKB_DROP_REASON_NETFILTER_DROP ip',
      'a/eth0 NeighbourFailed SKB_DROP_REASON_NEIGH_FAILED ip',
    ])
    expect(seen[0].words).toBe('a rule or a policy of the firewall dropped it')
    expect(seen[0].text).toMatch(/^IP 10\.0\.0\.1 > 10\.0\.0\.2: ICMP echo request/)
  })

  it('of what a transport or a device drops, with its headers; the tap is free again', async () => {
    const seen: ObservedDrop[] = []
    const subscription = observe.drops(lab.world).subscribe((drop) => seen.push(drop))
    await lab.say('ssh a nc -z -w 1 10.0.0.2 81')
    device('b/eth0').up = false
    await lab.say('ssh a nc -z -w 1 10.0.0.2 81')
    device('b/eth0').up = true
    const texts = seen.map(({ where, reason, layer, text }) => `${where} ${reason} ${layer} ${text}`)
    expect(texts[0]).toMatch(/^b NoSocket ip IP 10\.0\.0\.1\.\d+ > 10\.0\.0\.2\.81: Flags \[S\]/)
    expect(texts[1]).toMatch(/^switch\/p-b ReceiverDown ethernet IP 10\.0\.0\.1\.\d+ > 10\.0\.0\.2\.81: Flags \[S\]/)
    subscription.unsubscribe()
    expect(lab.world.frames.dropTap).toBeNull()
  })
})

it('a frame of an unknown protocol is shown from its Ethernet header on', async () => {
  const seen: ObservedDrop[] = []
  open.push(observe.drops(lab).subscribe((drop) => seen.push(drop)))
  const eth0 = device('b/eth0')
  const frame = lab.world.frames.take()
  frame.bytes.fill(0x61, frame.start, frame.start + 60)
  frame.end = frame.start + 60
  ethernet.write(frame.bytes, frame.start, eth0.mac, device('a/eth0').mac, 0x1234)
  device('a/eth0').send(frame)
  await lab.runner.runFor(SECOND)
  expect(seen.map(({ where, reason, layer, bytes }) => [where, reason, layer, bytes.length])).toEqual([
    ['b', 'UnknownProtocol', 'ethernet', 60],
  ])
  expect(seen[0].text).toContain('ethertype Unknown (0x1234)')
})

describe('flows', () => {
  it("are told in conntrack -E's words, until the namespace is quiet", async () => {
    const seen: ObservedFlow[] = []
    const netns = lab.machines.get('b')?.netns
    if (netns === undefined) throw new Error('no b')
    await lab.say('ssh b iptables -A INPUT -m conntrack --ctstate INVALID -j DROP')
    const subscription = observe.flows(netns).subscribe((flow) => seen.push(flow))
    open.push(subscription)
    await ping()
    await lab.runner.runFor(60 * SECOND)
    expect(seen.map(({ event, where, protocol }) => `${event} ${where} ${protocol}`)).toEqual([
      'NEW b icmp',
      'UPDATE b icmp',
      'DESTROY b icmp',
    ])
    expect(seen[0].text).toMatch(
      /^\[NEW\] icmp +1 30 src=10\.0\.0\.1 dst=10\.0\.0\.2 type=8 code=0 id=\d+ \[UNREPLIED\] /,
    )
    expect(seen[0].original).toMatchObject({ source: '10.0.0.1', destination: '10.0.0.2' })
    subscription.unsubscribe()
    expect(netns.netfilter.conntrack.onEvent).toBeNull()
  })

  it('and goes on beside conntrack -E', async () => {
    let count = 0
    await lab.say('ssh b iptables -A INPUT -m conntrack --ctstate INVALID -j DROP')
    open.push(observe.flows(lab).subscribe(() => count++))
    const watching = lab.say('ssh b timeout 2 conntrack -E')
    await ping()
    expect((await watching).output).toContain('[NEW] icmp')
    expect(count).toBeGreaterThanOrEqual(2)
  })
})

describe('events', () => {
  it('tell of neighbours, links, addresses and routes of every namespace', async () => {
    const seen: ObservedEvent[] = []
    open.push(observe.events(lab).subscribe((event) => seen.push(event)))
    await ping()
    await lab.say('ssh a ip link add extra type dummy')
    await lab.say('ssh a ip address add 10.5.0.1/24 dev extra')
    await lab.say('ssh a ip link set extra up')
    expect(seen).toContainEqual(
      expect.objectContaining({ type: 'neighbour', where: 'a', address: '10.0.0.2', state: 'REACHABLE', gone: false }),
    )
    expect(seen).toContainEqual(expect.objectContaining({ type: 'link', where: 'a', device: 'extra', up: true }))
    expect(seen).toContainEqual(expect.objectContaining({ type: 'address', where: 'a', address: '10.5.0.1/24' }))
    expect(seen).toContainEqual(
      expect.objectContaining({
        type: 'route',
        where: 'a',
        table: 'main',
        destination: '10.5.0.0/24',
        device: 'extra',
      }),
    )
    for (const each of open) each.unsubscribe()
    expect(lab.machines.get('a')?.netns.notices).toBeNull()
  })

  it('tell of objects, and of the lives of pods', { timeout: 60_000 }, async () => {
    const cluster = await topology('two-node-flannel')
    const lives: string[] = []
    const kinds = new Set<string>()
    const subscription = observe.events(cluster).subscribe((event) => {
      if (event.type === 'pod' && event.where.startsWith('default/')) lives.push(`${event.where} ${event.stage}`)
      if (event.type === 'object') kinds.add(`${event.kind} ${event.change}`)
    })
    await cluster.say('kubectl wait --for=condition=Ready pod client web')
    await cluster.say('kubectl delete pod web --now')
    await cluster.runner.runFor(5 * SECOND)
    subscription.unsubscribe()
    expect(lives.filter((each) => each.startsWith('default/web')).slice(-5)).toEqual([
      'default/web Running',
      'default/web Ready',
      'default/web Terminating',
      'default/web NotReady',
      'default/web Deleted',
    ])
    expect([...kinds]).toContain('EndpointSlice MODIFIED')
    await cluster.runner.runFor(200 * SECOND)
    expect(cluster.world.frames.inUse).toBe(0)
  })
})

describe('decisions', () => {
  it('trace the world while somebody subscribes', async () => {
    const seen: ObservedDecision[] = []
    const subscription = observe.decisions(lab).subscribe((decision) => seen.push(decision))
    expect(journal.open).toBe(true)
    await lab.say('ssh a nc -z -w 1 10.0.0.2 81')
    subscription.unsubscribe()
    expect(lab.world.frames.tracer).toBeNull()
    expect(journal.open).toBe(false)
    const last = seen.filter(({ kind }) => kind === 'drop')
    expect(last.map(({ where, sentence }) => `${where}: ${sentence}`)).toContain(
      'b: dropped: no socket listens on its destination address and port',
    )
  })
})

describe('virtual time', () => {
  it('is the clock of operators: seconds of the world, at once on the wall', async () => {
    const clock = observe.clock(lab)
    const counts = firstValueFrom(
      observe.frames(device('a/eth0'), { filter: 'icmp' }).pipe(
        bufferTime(1000, null, Number.POSITIVE_INFINITY, clock),
        map((frames) => frames.length),
        take(4),
        toArray(),
      ),
    )
    const said = ping(3)
    expect(await lab.runner.until(counts)).toEqual([2, 2, 2, 0])
    await said
  })

  it('moves only with the world', async () => {
    const clock = observe.clock(lab)
    const before = clock.now()
    const begun = lab.world.scheduler.now
    await lab.runner.until(firstValueFrom(timer(1500, clock)))
    expect(lab.world.scheduler.now - begun).toBe(1500 * MILLISECOND)
    expect(clock.now() - before).toBeCloseTo(1500, 6)
    expect(before).toBeCloseTo(lab.epochSeconds * 1000 + begun / MILLISECOND, 3)
  })

  it('an error in scheduled work is reported, and the timers of others fire', async () => {
    const reported: unknown[] = []
    config.onUnhandledError = (error) => reported.push(error)
    try {
      const clock = observe.clock(lab.world)
      let fired = 0
      clock.schedule(() => {
        throw new Error('work')
      }, 10)
      clock.schedule(() => fired++, 10)
      clock.schedule(() => fired++, 10).unsubscribe()
      const repeated = clock.schedule(
        function (count) {
          fired++
          if ((count ?? 0) < 3) this.schedule((count ?? 0) + 1, 10)
        },
        10,
        1,
      )
      await lab.runner.runFor(SECOND)
      await new Promise((resolve) => setTimeout(resolve, 5))
      expect([fired, repeated.closed, reported.map(String)]).toEqual([4, true, ['Error: work']])
    } finally {
      config.onUnhandledError = null
    }
  })
})

it('costs nothing unobserved: making an Observable touches no tap', () => {
  observe.frames(lab)
  observe.drops(lab)
  observe.flows(lab)
  observe.events(lab)
  observe.decisions(lab)
  NEVER.subscribe().unsubscribe()
  expect([...lab.world.devices.keys()].every(({ tap }) => tap === null)).toBe(true)
  expect([lab.world.frames.dropTap, lab.world.frames.tracer]).toEqual([null, null])
})
