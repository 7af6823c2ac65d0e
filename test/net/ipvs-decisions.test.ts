/** What IPVS says of its decisions. Each entry must stand in what `ipvsadm -Ln` or `-Lnc` prints at that moment. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Decision } from '../../src/link/decision.ts'
import type { Frame, Tracer } from '../../src/link/frame.ts'
import { formatConnection, formatService, NUMERIC } from '../../src/netfilter/ipvs/text.ts'
import { Balanced, VIP } from './balanced.ts'

let lab: Balanced
let lines: string[] = []

const tracer: Tracer = {
  decided(_frame: Frame, _where: string, decision: Decision): void {
    if (decision.kind !== 'ipvs') return
    lines.push(String(decision).replace(/10\.0\.0\.2:\d+ +/, 'CLIENT '))
    const entry = decision.entry()
    const command = decision.command()
    expect(command === null).toBe(entry === null)
    if (entry !== null) expect(command === 'ipvsadm -Lnc' ? connections() : services()).toContain(entry)
  },
  dropped(): void {},
}

function connections(): string {
  const { now } = lab.world.scheduler
  return lab.ipvs.connections
    .list()
    .map((connection) => formatConnection(connection, now, NUMERIC.endpoint))
    .join('')
}

function services(): string {
  return lab.ipvs.services.map((service) => formatService(service, NUMERIC)).join('')
}

beforeEach(() => {
  lab = new Balanced()
  lines = []
  lab.world.trace(tracer)
})

afterEach(() => {
  lab.end()
  lab.world.untrace()
})

describe('decisions of IPVS', () => {
  it('a connection from its service to its end', () => {
    lab.add()
    lab.serve(lab.two)
    expect(lab.ask()).toBe('two')
    expect(lines.slice(0, 5)).toEqual([
      'IPVS has a virtual service for the packet: TCP  10.0.0.1:80 rr',
      "IPVS's scheduler rr takes the real server whose turn it is:   -> 10.1.2.2:8080                Masq    1     ",
      'IPVS knows the connection: destination 10.0.0.1:80 becomes 10.1.2.2:8080, NONE becomes SYN_RECV: SYN_RECV    CLIENT 10.0.0.1:80        10.1.2.2:8080',
      'IPVS knows the connection: source 10.1.2.2:8080 becomes 10.0.0.1:80: SYN_RECV    CLIENT 10.0.0.1:80        10.1.2.2:8080',
      'IPVS knows the connection: destination 10.0.0.1:80 becomes 10.1.2.2:8080, SYN_RECV becomes ESTABLISHED: ESTABLISHED CLIENT 10.0.0.1:80        10.1.2.2:8080',
    ])
  })

  it('persistence, and a service without servers', () => {
    lab.add({ persistence: 60 })
    lab.serve(lab.one)
    lab.serve(lab.two)
    expect(lab.ask()).toBe(lab.ask())
    expect(lines.filter((line) => line.includes('real server'))).toEqual([
      "IPVS's scheduler rr takes the real server whose turn it is:   -> 10.1.2.2:8080                Masq    1     ",
      'IPVS sends the client to the real server of its earlier connections (persistence):   -> 10.1.2.2:8080                Masq    1     ',
    ])
    lab.add({ port: 81 }, [])
    lines = []
    lab.connect(lab.client, VIP, 81)
    lab.run(0.5)
    expect(lines).toEqual([
      'IPVS has a virtual service for the packet and no real server: the answer is ICMP port unreachable: TCP  10.0.0.1:81 rr',
    ])
  })
})
