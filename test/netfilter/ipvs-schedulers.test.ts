/**
 * Who gets the next connection. The sequence of wrr is the one of LVS's documentation (weights 4, 3, 2: AABABCABC), the
 * others follow from what each scheduler is said to do there; where sh and dh send an address was read in ip_vs_sh.c.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { World } from '../../src/link/world.ts'
import { hsiphash } from '../../src/netfilter/ipvs/maglev.ts'
import { makeScheduler } from '../../src/netfilter/ipvs/schedulers.ts'
import { RealServer, ScheduleFlag, type ServiceSpec, VirtualService } from '../../src/netfilter/ipvs/service.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { type Ipv4, parseIpv4 } from '../../src/wire/address.ts'

const world = new World(1)
const VIP = parseIpv4('10.96.0.1')

/** A service whose list of servers begins with the first weight's, named A; the kernel adds at the front. */
function make(name: string, weights: readonly number[], flags = 0): VirtualService {
  const scheduler = makeScheduler(name, world)
  if (scheduler === null) throw new Error(name)
  const spec: ServiceSpec = {
    protocol: 6,
    address: VIP,
    port: 80,
    mark: 0,
    scheduler: name,
    persistence: 0,
    netmask: -1 as Ipv4,
    onePacket: false,
    flags,
  }
  const service = new VirtualService(spec, scheduler, world.scheduler)
  for (let i = weights.length - 1; i >= 0; i--) {
    const server = new RealServer(service, (parseIpv4('10.1.0.1') + i) as Ipv4, 80, world.scheduler)
    server.weight = weights[i]
    server.lastWeight = weights[i]
    service.servers.unshift(server)
    scheduler.changed(service, true, 0)
  }
  return service
}

function next(service: VirtualService, source = '10.0.0.1', port = 4000): string {
  const server = service.scheduler.choose(service, parseIpv4(source), port, VIP)
  return server === null ? '-' : String.fromCharCode(65 + server.address - parseIpv4('10.1.0.1'))
}

function sequence(service: VirtualService, count: number): string {
  return Array.from({ length: count }, () => next(service)).join('')
}

function remove(service: VirtualService, place: number): void {
  service.servers.splice(place, 1)
  service.scheduler.changed(service, false, place)
}

function load(service: VirtualService, ...active: readonly number[]): void {
  active.forEach((value, i) => {
    service.servers[i].active = value
  })
}

describe('rr', () => {
  it('takes turns, and leaves out who has weight 0 or too much to do', () => {
    const service = make('rr', [1, 1, 1])
    expect(sequence(service, 5)).toBe('ABCAB')
    service.servers[2].weight = 0
    expect(sequence(service, 3)).toBe('ABA')
    service.servers[0].overloaded = true
    service.servers[1].overloaded = true
    expect(next(service)).toBe('-')
  })

  it('goes on where it was when servers come and go', () => {
    const service = make('rr', [1, 1, 1, 1])
    expect(sequence(service, 2)).toBe('AB')
    remove(service, 0)
    expect(next(service)).toBe('C')
    remove(service, 1)
    expect(sequence(service, 3)).toBe('DBD')
    expect(sequence(make('rr', []), 1)).toBe('-')
  })
})

describe('wrr', () => {
  it('has rounds for those of enough weight', () => {
    // A server that comes does not begin a new round: the first one is still for weight 1.
    expect(sequence(make('wrr', [4, 3, 2]), 21)).toBe('ABCAABABCABCAABABCABC')
    expect(sequence(make('wrr', [2, 4]), 6)).toBe('ABBABB')
    expect(sequence(make('wrr', [0, 1]), 3)).toBe('BBB')
    expect(sequence(make('wrr', [0, 0]), 1)).toBe('-')
  })

  it('finds another one while the heaviest is overloaded, and nobody when all are', () => {
    const service = make('wrr', [4, 1])
    service.servers[0].overloaded = true
    expect(sequence(service, 2)).toBe('BB')
    service.servers[1].overloaded = true
    expect(next(service)).toBe('-')
  })

  it('gives everybody what their weights say', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 5 }), (weights) => {
        const total = weights.reduce((sum, weight) => sum + weight, 0)
        const divisor = weights.reduce((a, b) => {
          let [x, y] = [a, b]
          while (y !== 0) [x, y] = [y, x % y]
          return x
        }, 0)
        fc.pre(total > 0)
        const got = sequence(make('wrr', weights), total / divisor)
        weights.forEach((weight, i) => {
          expect(got.split(String.fromCharCode(65 + i)).length - 1).toBe(weight / divisor)
        })
      }),
    )
  })
})

describe('by load', () => {
  it('lc: the fewest connections; an active one counts for 256 that only wait for their end', () => {
    const service = make('lc', [1, 1, 1])
    load(service, 2, 1, 1)
    service.servers[1].inactive = 255
    expect(next(service)).toBe('C')
    service.servers[2].inactive = 256
    expect(next(service)).toBe('B')
  })

  it('wlc: the same by weight', () => {
    const service = make('wlc', [1, 3])
    load(service, 1, 2)
    expect(next(service)).toBe('B')
    load(service, 1, 4)
    expect(next(service)).toBe('A')
  })

  it('sed thinks of the connection to come, nq of idle servers first', () => {
    const sed = make('sed', [1, 3])
    expect(next(sed)).toBe('B')
    load(sed, 0, 2)
    expect(next(sed)).toBe('A')
    const nq = make('nq', [1, 3])
    expect(next(nq)).toBe('A')
    load(nq, 1, 1)
    expect(next(nq)).toBe('B')
  })

  it('fo: the heaviest; ovf: the heaviest that has no more connections than weight', () => {
    expect(next(make('fo', [1, 3, 2]))).toBe('B')
    const ovf = make('ovf', [1, 3, 2])
    load(ovf, 0, 3, 0)
    expect(next(ovf)).toBe('B')
    load(ovf, 0, 4, 0)
    expect(next(ovf)).toBe('C')
    load(ovf, 2, 4, 3)
    expect(next(ovf)).toBe('-')
  })
})

describe('by address', () => {
  it('sh: a client always comes to the same server, and to as many of the 256 places as its weight has', () => {
    const service = make('sh', [3, 1])
    const all = Array.from({ length: 256 }, (_, i) => next(service, `10.0.${i}.7`))
    expect(all).toEqual(Array.from({ length: 256 }, (_, i) => next(service, `10.0.${i}.7`, 5000)))
    expect(new Set(all)).toEqual(new Set(['A', 'B']))
    const share = all.filter((each) => each === 'A').length
    expect(share).toBeGreaterThan(150)
    expect(share).toBeLessThan(230)
  })

  it('sh-port looks at the port, too; sh-fallback finds another server', () => {
    const ported = make('sh', [1, 1], ScheduleFlag.SECOND)
    expect(new Set(Array.from({ length: 50 }, (_, i) => next(ported, '10.0.0.1', 4000 + i)))).toEqual(
      new Set(['A', 'B']),
    )
    const plain = make('sh', [1, 1])
    const chosen = plain.servers[next(plain) === 'A' ? 0 : 1]
    chosen.overloaded = true
    expect(next(plain)).toBe('-')
    plain.flags = ScheduleFlag.FIRST
    expect(next(plain)).not.toBe('-')
  })

  it('dh: by the address of the service', () => {
    const service = make('dh', [1, 1, 1])
    expect(new Set(Array.from({ length: 20 }, (_, i) => next(service, `10.0.0.${i}`))).size).toBe(1)
  })
})

describe('mh', () => {
  // A vector of lib/siphash_kunit.c: the bytes 0 to 3 under the key 0 to 15.
  it("hashes as the kernel's hsiphash", () => {
    expect(hsiphash(0x03020100, 0x0706050403020100n, 0x0f0e0d0c0b0a0908n)).toBe(0x88d38328)
  })

  const clients = Array.from({ length: 400 }, (_, i) => `10.0.${i >> 4}.${i & 15}`)

  it('shares clients by weight', () => {
    const service = make('mh', [3, 1])
    const share = clients.filter((client) => next(service, client) === 'A').length / clients.length
    expect(share).toBeGreaterThan(0.65)
    expect(share).toBeLessThan(0.85)
    expect(next(make('mh', [0]))).toBe('-')
  })

  it('moves few clients but those of the server that goes', () => {
    const service = make('mh', [1, 1, 1, 1])
    const before = clients.map((client) => next(service, client))
    remove(service, 2)
    const moved = clients.filter((client, i) => before[i] !== 'C' && next(service, client) !== before[i])
    expect(moved.length).toBeLessThan(clients.length / 10)
    expect(clients.some((client) => next(service, client) === 'C')).toBe(false)
  })

  it('keeps the places of a server of weight 0, and with mh-fallback finds others', () => {
    const service = make('mh', [1, 1])
    const before = clients.map((client) => next(service, client))
    service.servers[0].weight = 0
    service.scheduler.changed(service, false, -1)
    expect(clients.map((client) => next(service, client))).toEqual(before.map((each) => (each === 'A' ? '-' : each)))
    service.flags = ScheduleFlag.FIRST
    expect(new Set(clients.map((client) => next(service, client)))).toEqual(new Set(['B']))
  })
})

describe('by locality', () => {
  /** To another address than the service's, as with a firewall mark. */
  function to(service: VirtualService, address: string): string {
    const server = service.scheduler.choose(service, parseIpv4('10.0.0.1'), 4000, parseIpv4(address))
    return server === null ? '-' : String.fromCharCode(65 + server.address - parseIpv4('10.1.0.1'))
  }

  it('lblc: an address stays with its server until that has too much to do, or is gone', () => {
    const service = make('lblc', [2, 2, 2])
    expect(to(service, '192.0.2.1')).toBe('A')
    load(service, 2, 1, 0)
    expect(to(service, '192.0.2.1')).toBe('A')
    expect(to(service, '192.0.2.2')).toBe('C')
    // Three are more than two, but nobody has less than half of its weight.
    load(service, 3, 1, 1)
    expect(to(service, '192.0.2.1')).toBe('A')
    load(service, 3, 1, 0)
    expect(to(service, '192.0.2.1')).toBe('C')
    load(service, 0, 0, 0)
    expect(to(service, '192.0.2.1')).toBe('C')
    service.servers[2].available = false
    remove(service, 2)
    expect(to(service, '192.0.2.1')).toBe('A')
    service.servers[0].weight = 0
    expect(to(service, '192.0.2.1')).toBe('B')
    expect(to(make('lblc', [0]), '192.0.2.1')).toBe('-')
  })

  it('lblc forgets what nobody asked for a day long', () => {
    const service = make('lblc', [1, 1])
    expect(to(service, '192.0.2.1')).toBe('A')
    load(service, 1, 0)
    world.scheduler.run(world.scheduler.now + 24 * 3600 * SECOND)
    expect(to(service, '192.0.2.1')).toBe('A')
    world.scheduler.run(world.scheduler.now + 24 * 3600 * SECOND + 1)
    expect(to(service, '192.0.2.1')).toBe('B')
  })

  it('lblcr: more servers for an address with much to do, and after a day fewer again', () => {
    const service = make('lblcr', [2, 2, 2])
    expect(to(service, '192.0.2.1')).toBe('A')
    load(service, 3, 0, 1)
    expect(to(service, '192.0.2.1')).toBe('B')
    load(service, 1, 2, 0)
    expect(to(service, '192.0.2.1')).toBe('A')
    load(service, 3, 2, 0)
    expect(to(service, '192.0.2.1')).toBe('B')
    for (let i = 0; i < 2; i++) {
      world.scheduler.run(world.scheduler.now + 12 * 3600 * SECOND + 1)
      expect(to(service, '192.0.2.1')).toBe('B')
    }
    // The one with the most connections went.
    load(service, 0, 2, 0)
    expect(to(service, '192.0.2.1')).toBe('B')
  })

  it('twos: the less busy one of two, drawn by weight', () => {
    const service = make('twos', [1, 1, 1])
    load(service, 9, 1, 5)
    const all = sequence(service, 300)
    const times = (name: string) => all.split(name).length - 1
    expect(times('B')).toBeGreaterThan(times('C'))
    expect(times('A') + times('B') + times('C')).toBe(300)
    expect(sequence(make('twos', [0, 2]), 5)).toBe('BBBBB')
    expect(next(make('twos', [0]))).toBe('-')
  })
})

it('has no others', () => {
  for (const name of ['foo', 'constructor', '']) expect(makeScheduler(name, world)).toBeNull()
})
