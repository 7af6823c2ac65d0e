import { expect, test } from 'vitest'
import { Netns } from '../../src/net/netns.ts'
import { route } from '../../src/net/route.ts'
import { rule } from '../../src/net/rules.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { type Ipv4, parseCidr, parseIpv4 } from '../../src/wire/address.ts'
import { defaultRoute, join, newWorld, ping, watch } from './network.ts'

/** a 10.1.0.1 ── router ┬ 10.2.0.1 b, the router's default ┴ 10.3.0.1 c, only by table 100 */
function forked() {
  const world = newWorld()
  const [a, router, b, c] = ['a', 'router', 'b', 'c'].map((name) => new Netns(world, name))
  router.sysctl.set('net.ipv4.ip_forward', '1')
  join(world, a, '10.1.0.1/24', router, '10.1.0.254/24', ['eth0', 'eth0'])
  const [bEnd] = join(world, b, '10.2.0.1/24', router, '10.2.0.254/24', ['eth0', 'eth1'])
  const [cEnd, cNear] = join(world, c, '10.3.0.1/24', router, '10.3.0.254/24', ['eth0', 'eth2'])
  defaultRoute(a, '10.1.0.254')
  defaultRoute(router, '10.2.0.1')
  const byC = { destination: parseCidr('0.0.0.0/0'), gateway: parseIpv4('10.3.0.1'), device: cNear }
  router.fib.table(100).add(route(byC))
  return { world, a, router, toB: watch(bEnd), toC: watch(cEnd) }
}

const echoes = (lines: string[]) => lines.filter((line) => line.includes('echo request')).length

test('a rule on the source sends forwarded packets by its table, and only those', () => {
  const { world, a, router, toB, toC } = forked()
  ping(a, '9.9.9.9')
  world.scheduler.run(SECOND)
  expect([echoes(toB), echoes(toC)]).toEqual([1, 0])
  router.fib.rules.add(rule({ priority: 10, from: parseCidr('10.1.0.0/24'), table: 100 }))
  ping(a, '9.9.9.9', 2)
  ping(router, '9.9.9.9', 3)
  world.scheduler.run(2 * SECOND)
  expect([echoes(toB), echoes(toC)]).toEqual([2, 1])
  router.fib.rules.remove(router.fib.rules.list()[1])
  expect(router.fib.rules.custom).toBe(false)
  ping(a, '9.9.9.9', 4)
  world.scheduler.run(3 * SECOND)
  expect([echoes(toB), echoes(toC)]).toEqual([3, 1])
  expect(world.frames.inUse).toBe(0)
})

test('iif, and lo for what the router itself sends', () => {
  const { world, a, router, toB, toC } = forked()
  router.fib.rules.add(rule({ priority: 10, input: 'lo', table: 100 }))
  ping(a, '9.9.9.9')
  ping(router, '9.9.9.9', 2)
  world.scheduler.run(SECOND)
  expect([echoes(toB), echoes(toC)]).toEqual([1, 1])
})

test('a mark that mangle sets at OUTPUT has the packet routed again, with the source it has', () => {
  const { world, router, toC } = forked()
  router.fib.rules.add(rule({ priority: 10, mark: 5, markMask: -1, table: 100 }))
  router.netfilter.restore('*mangle\n-A OUTPUT -d 9.9.9.9 -j MARK --set-mark 0x5\nCOMMIT\n')
  ping(router, '9.9.9.9')
  world.scheduler.run(SECOND)
  expect(toC.at(-1)).toContain('IP 10.2.0.254 > 9.9.9.9: ICMP echo request')
})

test('a rule that refuses: errors for the sender, ICMP for whom we forward', () => {
  const { world, a, router } = forked()
  const eth0 = a.devices.get('eth0')
  if (eth0 === undefined) throw new Error('a has no eth0')
  const seen = watch(eth0)
  const dead = (action: 'unreachable' | 'prohibit' | 'blackhole', to: string) =>
    router.fib.rules.add(rule({ priority: 9, to: parseCidr(to), action }))
  dead('unreachable', '7.0.0.1/32')
  dead('prohibit', '7.0.0.2/32')
  dead('blackhole', '7.0.0.3/32')
  expect([1, 2, 3].map((n) => ping(router, `7.0.0.${n}`))).toEqual(['ENETUNREACH', 'EACCES', 'EINVAL'])
  for (const n of [1, 2, 3]) {
    ping(a, `7.0.0.${n}`)
    world.scheduler.run(n * SECOND)
  }
  const errors = seen.filter((line) => line.includes('unreachable')).map((line) => line.split('ICMP ')[1])
  expect(errors).toEqual([
    'net 7.0.0.1 unreachable, length 92',
    'host 7.0.0.2 unreachable - admin prohibited filter, length 92',
  ])
  expect(router.lookup(0 as Ipv4)?.device?.name).toBe('eth1')
})
