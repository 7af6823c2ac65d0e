/** Commands that are told to speak to all: what iputils, OpenBSD's nc and curl print and return on Debian 12. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { linuxCommands } from '../../../src/host/commands/table.ts'
import type { Machine } from '../../../src/host/machine.ts'
import { parseIpv4 } from '../../../src/wire/address.ts'
import { join } from '../../net/network.ts'
import { Box } from '../box.ts'

let box: Box
let a: Machine

beforeEach(() => {
  box = new Box(linuxCommands())
  a = box.machine('a')
  join(box.world, a.netns, '10.77.0.1/24', box.machine('b').netns, '10.77.0.2/24')
})

afterEach(() => {
  expect(box.world.frames.inUse).toBe(0)
})

it.each([
  ['echo hi | nc -u -w1 10.77.0.255 9999', 1, '', ''],
  [
    'echo hi | nc -v -u -w1 10.77.0.255 9999',
    1,
    '',
    'nc: connect to 10.77.0.255 port 9999 (udp) failed: Permission denied\n',
  ],
  ['nc -w1 10.77.0.255 80', 1, '', ''],
  ['nc -v -w1 10.77.0.255 80', 1, '', 'nc: connect to 10.77.0.255 port 80 (tcp) failed: Network is unreachable\n'],
  [
    'ping -c1 10.77.0.255',
    2,
    '',
    'ping: Do you want to ping broadcast? Then -b. If not, check your local firewall rules\n',
  ],
  ['ping -c1 255.255.255.255', 2, '', 'ping: connect: Network is unreachable\n'],
  [
    'traceroute -n -m1 -q1 10.77.0.255',
    1,
    'traceroute to 10.77.0.255 (10.77.0.255), 1 hops max, 60 byte packets\n',
    'connect: Permission denied\n',
  ],
])('%s', async (line, code, out, err) => {
  expect(await box.say(a.place, line)).toMatchObject({ code, out, err })
})

it('ping -b and nc -b may', async () => {
  const said = await box.say(a.place, 'ping -b -c1 -W1 10.77.0.255')
  expect(said.err).toBe('WARNING: pinging broadcast address\n')
  expect(said.out).toContain('1 packets transmitted, 0 received, 100% packet loss')
  expect((await box.say(a.place, 'echo hi | timeout 2 nc -b -u -w1 10.77.0.255 9998')).err).toBe('')
  expect(a.netns.counters.ipOutBcastPkts).toBe(2)
  a.netns.sysctl.set('net.ipv4.icmp_echo_ignore_broadcasts', '0')
  const own = await box.say(a.place, 'ping -b -c1 10.77.0.255')
  expect(own.out).toContain(`64 bytes from 10.77.0.1: icmp_seq=1 ttl=64`)
  expect(a.netns.isLocal(parseIpv4('10.77.0.1'))).toBe(true)
})
