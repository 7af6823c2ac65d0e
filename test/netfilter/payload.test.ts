import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NetfilterError } from '../../src/netfilter/netfilter.ts'
import * as tcp from '../../src/wire/tcp.ts'
import { Node } from '../host/iproute/node.ts'
import { Box, prove } from './box.ts'

const CLIENT = '10.244.1.2:4000'

/** What reaches the far side through one rule of FORWARD that drops. */
function dropping(rule: string): Box {
  const box = new Box()
  box.netfilter.iptables([
    '-A',
    'FORWARD',
    ...(rule.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replaceAll('"', '')),
    '-j',
    'DROP',
  ])
  return box
}

function udpPasses(box: Box, to: string): boolean {
  return box.through(box.udp(CLIENT, to)) !== null
}

describe('matches on what a packet carries', () => {
  it('u32 walks from word to word', () => {
    const box = dropping('-m u32 --u32 "6&0xFF=17&&0>>22&0x3C@0&0xFFFF=53,5000:5010"')
    expect(['10.9.0.1:53', '10.9.0.1:54', '10.9.0.1:5005'].map((to) => udpPasses(box, to))).toEqual([
      false,
      true,
      false,
    ])
    expect(udpPasses(dropping('-m u32 --u32 "100=0"'), '10.9.0.1:53')).toBe(true)
    expect(udpPasses(dropping('-m u32 --u32 "0>>22&0x3C@8=0x01020304"'), '10.9.0.1:53')).toBe(false)
  })

  it('string finds bytes between two offsets, in either case if it is told to', () => {
    const at = (rule: string) => udpPasses(dropping(`-m string --algo bm ${rule}`), '10.9.0.1:53')
    expect([at('--hex-string "|0304|"'), at('--hex-string "|0305|"')]).toEqual([false, true])
    expect([
      at('--hex-string "|0304|" --to 29'),
      at('--hex-string "|0304|" --to 30'),
      at('--hex-string "|0304|" --from 31'),
    ]).toEqual([true, false, true])
    const box = dropping('-p tcp -m string --string AAA --algo kmp --icase')
    expect(box.through(box.tcp(CLIENT, '10.9.0.1:80', tcp.SYN, { length: 3 }))).toBe(null)
    const strict = dropping('-p tcp -m string --string AAA --algo kmp')
    expect(strict.through(strict.tcp(CLIENT, '10.9.0.1:80', tcp.SYN, { length: 3 }))).not.toBe(null)
  })

  it('string is bytes: what is not ASCII is printed in hex', () => {
    const { netfilter } = dropping('-m string --string é€ --algo bm')
    netfilter.iptables(['-A', 'INPUT', '-m', 'string', '--algo', 'bm', '--hex-string', '😀|20|x'])
    expect(netfilter.save()).toContain('-m string --hex-string "|c3a9e282ac|" --algo bm')
    expect(netfilter.save()).toContain('-m string --hex-string "|f09f98802078|" --algo bm')
  })

  it('connbytes and quota count', () => {
    const flow = dropping('-m connbytes --connbytes 3 --connbytes-dir original --connbytes-mode packets')
    expect([1, 2, 3].map(() => udpPasses(flow, '10.9.0.1:53'))).toEqual([true, true, false])
    const rule = dropping('-m quota --quota 70')
    expect([1, 2, 3].map(() => udpPasses(rule, '10.9.0.1:53'))).toEqual([false, false, true])
  })

  it('ecn reads both headers', () => {
    const box = dropping('-p tcp -m ecn --ecn-tcp-ece ! --ecn-tcp-cwr --ecn-ip-ect 0')
    const passes = (flags: number) => box.through(box.tcp(CLIENT, '10.9.0.1:80', flags)) !== null
    expect([passes(tcp.SYN), passes(tcp.SYN | tcp.ECE), passes(tcp.SYN | tcp.ECE | tcp.CWR)]).toEqual([
      true,
      false,
      true,
    ])
  })

  it('ECN and TCPOPTSTRIP patch the segment and its checksum', () => {
    const box = new Box(
      '*mangle\n-A FORWARD -p tcp -j ECN --ecn-tcp-remove\n-A FORWARD -p tcp -j TCPOPTSTRIP --strip-options wscale,timestamp\nCOMMIT\n',
    )
    const options = [2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7]
    const frame = box.tcp(CLIENT, '10.9.0.1:80', tcp.SYN | tcp.ECE | tcp.CWR, { options })
    expect(box.forward(frame)).toBe(true)
    prove(frame)
    expect(tcp.flags(frame.bytes, frame.transport)).toBe(tcp.SYN)
    expect([...frame.bytes.subarray(frame.transport + 20, frame.transport + 40)]).toEqual([
      2, 4, 5, 0xb4, 4, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    ])
    box.world.frames.consume(frame)
    expect(box.world.frames.inUse).toBe(0)
  })

  it('refuse any nonsense with a sentence', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 12 }),
      fc
        .array(fc.constantFrom('0', '0x', '22', '>>', '&', '@', '=', ',', ':', '&&', ' ', '|', 'ff'), { maxLength: 9 })
        .map((all) => all.join('')),
    )
    fc.assert(
      fc.property(
        text,
        fc.constantFrom('u32 --u32', 'string --algo bm --hex-string', 'connbytes --connbytes'),
        (value, match) => {
          const { netfilter } = new Box()
          try {
            netfilter.iptables(['-A', 'FORWARD', '-m', ...match.split(' '), value, '-j', 'DROP'])
          } catch (error) {
            expect(error).toBeInstanceOf(NetfilterError)
          }
          // What was taken is printed so that it is taken again; iptables-restore loses a backslash, as the real one does.
          if (value.includes('\\')) return
          const saved = netfilter.save()
          const again = new Box()
          again.netfilter.restore(saved)
          expect(again.netfilter.save()).toBe(saved)
        },
      ),
      { numRuns: 400 },
    )
  })

  it('take any packet', () => {
    const rules = [
      '-m u32 --u32 "0>>22&0x3C@0>>26&0x3C@0=1:0xffffffff"',
      '-m string --hex-string "|00ff|" --algo bm',
      '-m ecn --ecn-ip-ect 1',
    ]
    const box = new Box(
      `*mangle\n-A FORWARD -p tcp -j TCPOPTSTRIP --strip-options 8,3,2\nCOMMIT\n*filter\n${rules.map((rule) => `-A FORWARD ${rule} -j DROP\n`).join('')}COMMIT\n`,
    )
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 20, maxLength: 60 }), (payload) => {
        const frame = box.tcp(CLIENT, '10.9.0.1:80', tcp.SYN, { length: payload.length })
        frame.bytes.set(payload, frame.transport + 12)
        if (box.forward(frame)) box.world.frames.consume(frame)
        expect(box.world.frames.inUse).toBe(0)
      }),
    )
  })
})

describe('-m rpfilter', () => {
  it('asks for the way back, as Calico does', async () => {
    const node = new Node()
    await node.prints('sysctl -qw net.ipv4.ip_forward=1')
    await node.prints('iptables -t raw -A PREROUTING -m rpfilter --invert --validmark -j DROP')
    const count = async () => (await node.prints('iptables -t raw -nvxL PREROUTING 1')).trim().split(/\s+/)[0]
    await node.ping(node.pod, '192.168.14.1')
    expect(await count()).toBe('0')
    // The pod's address now lies behind the gateway: what the pod sends comes in by the wrong device.
    await node.prints('ip route add 10.244.1.2/32 via 192.168.14.1')
    await node.ping(node.pod, '192.168.14.1')
    expect(await count()).toBe('1')
    await node.prints('iptables -t raw -R PREROUTING 1 -m rpfilter --loose --invert -j DROP')
    await node.ping(node.pod, '192.168.14.1')
    expect(await count()).toBe('0')
  })
})
