/** Several default routes of one metric, as Linux 6.18 took turns with them. */
import { expect, it } from 'vitest'
import { Sockets } from '../../../src/socket/sockets.ts'
import { parseIpv4 } from '../../../src/wire/address.ts'
import { Cabled } from './cabled.ts'

it('a dead gateway gives way to the next, a doubtful one takes turns', async () => {
  const host = await Cabled.up(2)
  await host.do('ip route add default via 10.0.1.2')
  await host.do('ip route append default via 10.0.2.2')
  await host.do('ip route append default via 10.0.2.3')
  await host.do('ip route add default via 10.0.2.9 metric 5')
  const ways = async (times: number) => {
    const seen: string[] = []
    for (let i = 0; i < times; i++) {
      seen.push(/via (\S+)/.exec(await host.types('ip route get 8.8.8.8'))?.[1] ?? '')
    }
    return seen.join(' ')
  }
  expect(await ways(2)).toBe('10.0.1.2 10.0.1.2')
  await host.do('ip neigh add 10.0.1.2 dev e1 nud failed')
  expect(await ways(2)).toBe('10.0.2.2 10.0.2.2')
  await host.do('ip neigh add 10.0.2.2 dev e2 nud failed')
  expect(await ways(1)).toBe('10.0.2.3')
  await host.do('ip neigh add 10.0.2.3 dev e2 nud failed')
  expect(await ways(2)).toBe('10.0.1.2 10.0.1.2')
  await host.do('ip neigh replace 10.0.2.2 dev e2 lladdr 02:00:00:00:00:22 nud stale')
  expect(await ways(2)).toBe('10.0.2.2 10.0.2.2')
  await host.do('ip neigh replace 10.0.2.3 dev e2 lladdr 02:00:00:00:00:23 nud stale')
  expect(await ways(3)).toBe('10.0.2.3 10.0.2.2 10.0.2.3')
  await host.do('ip neigh replace 10.0.2.2 dev e2 lladdr 02:00:00:00:00:22 nud reachable')
  expect(await ways(2)).toBe('10.0.2.2 10.0.2.2')
  await host.do('ip neigh replace 10.0.1.2 dev e1 lladdr 02:00:00:00:00:12 nud permanent')
  expect(await ways(2)).toBe('10.0.1.2 10.0.2.2')
  expect(await host.types('ip route get 8.8.8.8 oif e2')).toContain('via 10.0.2.2 dev e2')
  await host.do('ip route del default via 10.0.2.3')
  await host.do('ip route del default via 10.0.2.2')
  expect(await ways(1)).toBe('10.0.1.2')
  await host.do('ip route del default')
  expect(await ways(1)).toBe('10.0.2.9')
})

it('a connection takes no turns, and what it sends has the address of the device that it leaves by', async () => {
  const host = await Cabled.up(2)
  await host.do('ip route add default via 10.0.1.2')
  await host.do('ip route append default via 10.0.2.2')
  await host.do('ip neigh add 10.0.1.2 dev e1 lladdr 02:00:00:00:00:12 nud stale')
  await host.do('ip neigh add 10.0.2.2 dev e2 lladdr 02:00:00:00:00:22 nud stale')
  const { netns } = host.host
  const seen: string[] = []
  for (const [name, own] of [
    ['e1', 1],
    ['e2', 2],
  ] as const) {
    const device = netns.devices.get(name)
    if (device === undefined) throw new Error(name)
    device.tap = ({ bytes, start }) => {
      if (bytes[start + 13] === 0 && bytes[start + 23] === 17) seen.push(`${name} ${bytes[start + 28] === own}`)
    }
  }
  const connected = Sockets.of(netns).udp()
  connected.connect(parseIpv4('8.8.8.8'), 53)
  for (let i = 0; i < 4; i++) connected.send(Uint8Array.of(1))
  expect(new Set(seen).size).toBe(1)
  expect(seen[0]).toMatch(/true$/)
  const loose = Sockets.of(netns).udp()
  for (let i = 0; i < 4; i++) loose.sendTo(Uint8Array.of(1), parseIpv4('8.8.8.8'), 53)
  expect(seen.every((each) => each.endsWith('true'))).toBe(true)
})
