import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DropReason } from '../../src/link/drop-reason.ts'
import { formatProc } from '../../src/netfilter/flow-text.ts'
import { Hook } from '../../src/netfilter/netfilter.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import * as icmp from '../../src/wire/icmp.ts'
import { ACK, FIN, PSH, RST, SYN } from '../../src/wire/tcp.ts'
import { Box } from './box.ts'

let box = new Box()
beforeEach(() => {
  box = new Box(
    '*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n',
  )
})
afterEach(() => expect(box.world.frames.inUse).toBe(0))

const A = '10.244.1.2:4000'
const B = '10.244.2.2:80'
const LINE = 'src=10.244.1.2 dst=10.244.2.2 sport=4000 dport=80'
const BACK = 'src=10.244.2.2 dst=10.244.1.2 sport=80 dport=4000'

/** A segment of the client, or of the server; false when it was dropped. */
function there(flags: number, seq: number, ack = 0, length = 0, window = 512): boolean {
  return box.through(box.tcp(A, B, flags, { seq, ack, length, window })) !== null
}
function back(flags: number, seq: number, ack: number, length = 0, window = 512): boolean {
  return box.through(box.tcp(B, A, flags, { seq, ack, length, window }), box.flannel, box.cni0) !== null
}
function wait(seconds: number): void {
  box.world.scheduler.run(box.world.scheduler.now + seconds * SECOND)
}
function handshake(): void {
  there(SYN, 1000)
  back(SYN | ACK, 9000, 1001)
  there(ACK, 1001, 9001)
}

describe('TCP', () => {
  it('walks through the states of a connection with their time-outs', () => {
    there(SYN, 1000)
    expect(box.flows()).toEqual([`tcp      6 120 SYN_SENT ${LINE} [UNREPLIED] ${BACK} mark=0 use=1`])
    back(SYN | ACK, 9000, 1001)
    expect(box.flows()).toEqual([`tcp      6 60 SYN_RECV ${LINE} ${BACK} mark=0 use=1`])
    there(ACK, 1001, 9001)
    expect(box.flows()).toEqual([`tcp      6 432000 ESTABLISHED ${LINE} ${BACK} [ASSURED] mark=0 use=1`])
    there(ACK | PSH, 1001, 9001, 100)
    expect(box.flows()[0]).toContain('6 300 ESTABLISHED')
    back(ACK, 9001, 1101)
    expect(box.flows()[0]).toContain('6 432000 ESTABLISHED')
    back(FIN | ACK, 9001, 1101)
    expect(box.flows()[0]).toContain('6 120 FIN_WAIT')
    there(ACK, 1101, 9002)
    expect(box.flows()[0]).toContain('6 60 CLOSE_WAIT')
    there(FIN | ACK, 1101, 9002)
    expect(box.flows()[0]).toContain('6 30 LAST_ACK')
    back(ACK, 9002, 1102)
    wait(1.5)
    expect(box.flows()).toEqual([`tcp      6 118 TIME_WAIT ${LINE} ${BACK} [ASSURED] mark=0 use=1`])
  })

  it('prints the line of /proc/net/nf_conntrack', () => {
    there(SYN, 1000)
    const [flow] = box.netfilter.conntrack.list()
    expect(formatProc(flow, box.world.scheduler.now)).toBe(
      `ipv4     2 tcp      6 120 SYN_SENT ${LINE} [UNREPLIED] ${BACK} mark=0 zone=0 use=2`,
    )
  })

  it('drops a segment far above the window, not one far below', () => {
    handshake()
    expect(back(ACK | PSH, 9001 + 1_000_000, 1001, 50)).toBe(false)
    expect(back(ACK | PSH, 9001 - 1_000_000, 1001, 50)).toBe(true)
    expect(back(ACK | PSH, 9001, 1001, 50)).toBe(true)
    box.netfilter.conntrack.settings.set('net.netfilter.nf_conntrack_tcp_be_liberal', '1')
    expect(back(ACK | PSH, 9001 + 1_000_000, 1001, 50)).toBe(true)
  })

  it('scales windows when both ends offered it', () => {
    const options = [3, 3, 7, 1]
    box.through(box.tcp(A, B, SYN, { seq: 1000, options }))
    box.through(box.tcp(B, A, SYN | ACK, { seq: 9000, ack: 1001, options }))
    there(ACK, 1001, 9001, 0, 512)
    expect(back(ACK, 9001 + 50_000, 1001, 1000)).toBe(true)
    expect(back(ACK, 9001 + 70_000, 1001, 1000)).toBe(false)
  })

  it('believes a RST only when it hits the acknowledged sequence number', () => {
    handshake()
    expect(back(RST, 8000, 0)).toBe(false)
    expect(back(RST, 9100, 0)).toBe(true)
    expect(box.flows()[0]).toContain('ESTABLISHED')
    expect(back(RST, 9001, 0)).toBe(true)
    expect(box.flows()[0]).toContain('6 10 CLOSE ')
  })

  it('begins again when a closed connection is reopened with the same ports', () => {
    handshake()
    there(FIN | ACK, 1001, 9001)
    back(FIN | ACK, 9001, 1002)
    there(ACK, 1002, 9002)
    expect(box.flows()[0]).toContain('TIME_WAIT')
    const [old] = box.netfilter.conntrack.list()
    expect(there(SYN, 5_000_000)).toBe(true)
    const flows = box.netfilter.conntrack.list()
    expect(flows).toHaveLength(1)
    expect(flows[0].id).not.toBe(old.id)
    expect(box.flows()[0]).toContain('SYN_SENT')
  })

  it('picks up a connection in the middle, unless told not to', () => {
    expect(there(ACK, 5000, 7000, 10)).toBe(true)
    expect(box.flows()[0]).toContain('6 300 ESTABLISHED')
    box.netfilter.conntrack.flush()
    box.netfilter.conntrack.settings.set('nf_conntrack_tcp_loose', '0')
    expect(there(ACK, 5000, 7000, 10)).toBe(false)
  })

  it('calls nonsense INVALID: a SYN-ACK out of nowhere, SYN with FIN, a broken checksum', () => {
    expect(back(SYN | ACK, 1, 1)).toBe(false)
    expect(there(SYN | FIN, 1)).toBe(false)
    const broken = box.tcp(A, B, SYN)
    broken.bytes[broken.transport + 17] ^= 1
    expect(box.forward(broken)).toBe(false)
    expect(box.flows()).toEqual([])
  })
})

describe('UDP, ICMP and others', () => {
  it('UDP: 30 s, and 120 s once it has gone both ways for two seconds', () => {
    const send = () => box.through(box.udp(A, '10.96.0.10:53'))
    const answer = () => box.through(box.udp('10.96.0.10:53', A), box.flannel, box.cni0)
    send()
    wait(1.2)
    expect(box.flows()[0]).toBe(
      'udp      17 28 src=10.244.1.2 dst=10.96.0.10 sport=4000 dport=53 [UNREPLIED] src=10.96.0.10 dst=10.244.1.2 sport=53 dport=4000 mark=0 use=1',
    )
    answer()
    send()
    expect(box.flows()[0]).toMatch(/^udp {6}17 30 .* mark=0 use=1$/)
    wait(3)
    send()
    expect(box.flows()[0]).toMatch(/^udp {6}17 120 .* \[ASSURED\] mark=0 use=1$/)
  })

  it('ICMP: echo is a flow by its identifier', () => {
    box.through(box.echo('10.244.1.2', '10.244.2.2', 14204))
    box.through(box.echo('10.244.2.2', '10.244.1.2', 14204, icmp.ECHO_REPLY))
    expect(box.flows()).toEqual([
      'icmp     1 30 src=10.244.1.2 dst=10.244.2.2 type=8 code=0 id=14204 src=10.244.2.2 dst=10.244.1.2 type=0 code=0 id=14204 mark=0 use=1',
    ])
    expect(box.through(box.echo('10.244.2.2', '10.244.1.2', 1, icmp.ECHO_REPLY))).toBeNull()
  })

  it('ICMP errors: related to the flow they quote, invalid when they quote none, never a flow', () => {
    box.netfilter.iptables(['-A', 'FORWARD', '-m', 'conntrack', '--ctstate', 'RELATED', '-j', 'ACCEPT'])
    const known = box.udp(A, B)
    box.forward(known)
    const error = box.error('10.244.2.2', known, 3, 3)
    expect(box.through(error, box.flannel, box.cni0)).not.toBeNull()
    box.world.frames.consume(known)
    const unknown = box.udp('10.244.1.2:9', B)
    expect(box.forward(box.error('10.244.2.2', unknown, 3, 3), box.flannel, box.cni0)).toBe(false)
    box.world.frames.consume(unknown)
    expect(box.netfilter.conntrack.count).toBe(1)
    expect(box.netfilter.iptables(['-S', 'FORWARD', '-v'])).toContain('--ctstate RELATED -c 1 61 -j ACCEPT')
  })

  it('others: 600 s, without ports', () => {
    const igmp = box.udp('10.244.1.1:1', '224.0.0.22:1')
    igmp.bytes[igmp.network + 9] = 2
    box.output(igmp)
    box.world.frames.consume(igmp)
    wait(3.5)
    expect(box.flows()).toEqual([
      'unknown  2 596 src=10.244.1.1 dst=224.0.0.22 [UNREPLIED] src=224.0.0.22 dst=10.244.1.1 mark=0 use=1',
    ])
  })
})

describe('the table', () => {
  it('lets flows go when their time is over, and its timer too', () => {
    const events: string[] = []
    box.netfilter.conntrack.onEvent = (event, flow) => events.push(`${event} ${flow.protocol}`)
    there(SYN, 1000)
    box.through(box.udp(A, B))
    expect(box.netfilter.conntrack.count).toBe(2)
    wait(40)
    expect(box.netfilter.conntrack.count).toBe(1)
    wait(120)
    expect(box.netfilter.conntrack.count).toBe(0)
    expect(events).toEqual(['NEW 6', 'NEW 17', 'DESTROY 17', 'DESTROY 6'])
    expect(box.world.scheduler.pending).toBe(0)
  })

  it('an entry past its end is not found any more', () => {
    box.netfilter.conntrack.settings.set('nf_conntrack_udp_timeout', '5')
    box.through(box.udp(A, B))
    const [first] = box.netfilter.conntrack.list()
    wait(5)
    box.through(box.udp(A, B))
    expect(box.netfilter.conntrack.list()[0].id).not.toBe(first.id)
  })

  it('never holds a flow whose first packet was dropped', () => {
    box.netfilter.iptables(['-A', 'FORWARD', '-p', 'udp', '-j', 'DROP'])
    expect(box.through(box.udp(A, B))).toBeNull()
    expect(box.netfilter.conntrack.count).toBe(0)
    expect(box.world.frames.dropped[DropReason.Netfilter]).toBe(1)
  })

  it('refuses new flows when it is full', () => {
    box.netfilter.conntrack.settings.set('nf_conntrack_max', '1')
    expect(there(SYN, 1)).toBe(true)
    expect(box.through(box.udp(A, B))).toBeNull()
    expect(there(SYN, 1)).toBe(true)
  })

  it('finds each of many flows again, and deletes by what the caller asks', () => {
    for (let i = 0; i < 2000; i++) box.through(box.udp(`10.1.${i >> 8}.${i & 255}:99`, B))
    for (let i = 0; i < 2000; i++) box.through(box.udp(B, `10.1.${i >> 8}.${i & 255}:99`))
    const { conntrack } = box.netfilter
    expect(conntrack.count).toBe(2000)
    expect(conntrack.delete((flow) => flow.originalPackets === 1 && flow.replyPackets === 1)).toBe(2000)
    expect(conntrack.count).toBe(0)
  })

  it('does not track again what came over the loopback', () => {
    const frame = box.udp('127.0.0.1:5', '127.0.0.1:6')
    box.output(frame)
    expect(box.input(frame)).toBe(true)
    box.world.frames.consume(frame)
    expect(box.netfilter.conntrack.list()[0].originalPackets).toBe(1)
  })

  it('tracks nothing while no rule needs it', () => {
    box = new Box('*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -p tcp -j ACCEPT\nCOMMIT\n')
    there(SYN, 1)
    expect(box.netfilter.tracking).toBe(false)
    expect(box.flows()).toEqual([])
  })

  it('leaves NOTRACK packets alone', () => {
    box.netfilter.iptables(['-t', 'raw', '-A', 'PREROUTING', '-p', 'udp', '-j', 'NOTRACK'])
    box.netfilter.iptables(['-A', 'FORWARD', '-m', 'conntrack', '--ctstate', 'UNTRACKED', '-j', 'DROP'])
    expect(box.through(box.udp(A, B))).toBeNull()
    expect(there(SYN, 1)).toBe(true)
    expect(box.netfilter.save({ table: 'raw' })).toContain('-A PREROUTING -p udp -j NOTRACK')
  })
})

describe('two questions of one socket at once', () => {
  // nf_ct_resolve_clash_harder: before Linux 5.7 the second packet was dropped, and a resolver waited five seconds.
  const dns = (from: string) =>
    `*nat\n-A PREROUTING -p udp -m udp --dport 53 -m statistic --mode nth --every 2 --packet 0 -j DNAT --to-destination 10.244.2.${from}\n` +
    '-A PREROUTING -p udp -m udp --dport 53 -j DNAT --to-destination 10.244.2.9\nCOMMIT\n'

  it('go to different endpoints, and both answers come back', () => {
    const box = new Box(dns('8'))
    const ask = () => {
      const frame = box.udp('10.244.1.2:4000', '10.96.0.10:53')
      expect(box.netfilter.run(Hook.PREROUTING, frame, box.cni0, null)).toBe(true)
      return frame
    }
    const frames = [ask(), ask()]
    for (const frame of frames) {
      expect(box.netfilter.run(Hook.POSTROUTING, frame, null, box.flannel)).toBe(true)
      box.world.frames.consume(frame)
    }
    expect(box.flows()).toHaveLength(2)
    expect([box.netfilter.conntrack.resolved, box.netfilter.conntrack.clashes]).toEqual([1, 0])
    for (const endpoint of ['8', '9']) {
      const back = box.through(box.udp(`10.244.2.${endpoint}:53`, '10.244.1.2:4000'), box.flannel, box.cni0)
      expect(back).toMatchObject({ source: '10.96.0.10', dport: 4000 })
    }
    // The second entry lives for a second, whatever comes; the first for its time-out.
    box.world.scheduler.run(box.world.scheduler.now + 1.5 * SECOND)
    expect(box.flows()).toHaveLength(1)
    expect(box.world.frames.inUse).toBe(0)
  })
})
