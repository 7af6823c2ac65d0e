import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { u16 } from '../../src/wire/bytes.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as tcp from '../../src/wire/tcp.ts'
import { Node } from '../host/iproute/node.ts'
import { Box, prove } from './box.ts'

/** What iptables 1.8.9 (nf_tables) on a Linux kernel made of one rule: its text in three layouts, or its refusal. */
interface Measured {
  table: string
  chain: string
  words: string[]
  save?: string[]
  numeric?: string[]
  names?: string[]
  code?: number
  error?: string
}

const read = (name: string) => readFileSync(new URL(name, import.meta.url), 'utf8')
const measured: Measured[] = JSON.parse(read('./iptables-1.8.9.json'))

describe('iptables spells rules and refusals as version 1.8.9 does', () => {
  it.each(measured.map((rule) => [`-t ${rule.table} -A ${rule.chain} ${rule.words.join(' ')}`, rule] as const))(
    '%s',
    async (_line, { table, chain, words, save, numeric, names, code, error }) => {
      const node = new Node()
      const { place } = node.node
      await node.prints('iptables -N USER')
      const said = await iptables(['-t', table, '-A', chain, ...words])
      expect([said.code, said.err]).toEqual([code ?? 0, error ?? ''])
      if (code !== undefined) return
      const lines = async (...args: string[]) => (await iptables(args)).out.split('\n').filter((line) => line !== '')
      expect((await lines('-t', table, '-S', chain)).slice(1)).toEqual(save)
      expect((await lines('-t', table, '-nvL', chain)).slice(2)).toEqual(numeric)
      expect((await lines('-t', table, '-L', chain)).slice(2)).toEqual(names)

      async function iptables(args: string[]) {
        let out = ''
        let err = ''
        const io = { out: (text: string) => void (out += text), err: (text: string) => void (err += text), stdin: '' }
        const status = await node.runner.until(place.spawn(['iptables', ...args], io).exit)
        return { code: status, out, err }
      }
    },
  )
})

// A node with kube-proxy, Flannel, Docker and Calico: saved from a Linux kernel by both kinds of iptables.
describe('a real node’s dump', () => {
  const nft = read('./dumps/node-nft.rules')
  const legacy = read('./dumps/node-legacy.rules')

  it('is saved as it was loaded, counters included', () => {
    const { netfilter } = new Box()
    netfilter.restore(nft)
    expect(netfilter.save({ counters: true, date: 'DATE' })).toBe(nft)
  })

  it('of iptables-legacy becomes what iptables-nft makes of it', () => {
    const { netfilter } = new Box()
    netfilter.restore(legacy)
    expect(netfilter.save({ counters: true, date: 'DATE' })).toBe(nft)
  })
})

describe('header targets change real bytes', () => {
  const mss = [2, 4, 0x05, 0xb4]

  it('TCPMSS clamps to the path MTU and never raises', () => {
    const box = new Box(
      '*mangle\n-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu\nCOMMIT\n',
    )
    const frame = box.tcp('10.244.1.2:4000', '10.244.2.2:80', tcp.SYN, { options: mss })
    expect(box.forward(frame)).toBe(true)
    prove(frame)
    // The way is 1450 bytes wide: less 20 for IP and 20 for TCP.
    expect(u16(frame.bytes, frame.transport + tcp.HEADER + 2)).toBe(1410)
    box.world.frames.consume(frame)
    box.netfilter.iptables(['-t', 'mangle', '-F'])
    box.netfilter.iptables(['-t', 'mangle', '-A', 'FORWARD', '-p', 'tcp', '-j', 'TCPMSS', '--set-mss', '1500'])
    const other = box.tcp('10.244.1.2:4001', '10.244.2.2:80', tcp.SYN, { options: mss })
    expect(box.forward(other)).toBe(true)
    expect(u16(other.bytes, other.transport + tcp.HEADER + 2)).toBe(1460)
    box.world.frames.consume(other)
    expect(box.world.frames.inUse).toBe(0)
  })

  it('TTL, TOS and DSCP keep the checksum right', () => {
    const box = new Box(
      '*mangle\n-A FORWARD -j TTL --ttl-set 9\n-A FORWARD -j TOS --set-tos 0x10/0x3f\n-A FORWARD -m ttl --ttl-eq 9 -j DSCP --set-dscp 46\nCOMMIT\n',
    )
    const frame = box.udp('10.244.1.2:4000', '10.244.2.2:53')
    expect(box.forward(frame)).toBe(true)
    prove(frame)
    expect([ipv4.ttl(frame.bytes, frame.network), ipv4.tos(frame.bytes, frame.network)]).toEqual([9, 0xb8])
    box.world.frames.consume(frame)
    expect(box.world.frames.inUse).toBe(0)
  })

  it('NETMAP exchanges the network and keeps the host', () => {
    const box = new Box('*nat\n-A PREROUTING -d 10.9.0.0/16 -j NETMAP --to 10.244.0.0/16\nCOMMIT\n')
    expect(box.through(box.udp('10.244.1.2:4000', '10.9.2.7:53'))?.destination).toBe('10.244.2.7')
    expect(box.world.frames.inUse).toBe(0)
  })

  it('a shifted range keeps the distance of the port', () => {
    const box = new Box(
      '*nat\n-A PREROUTING -p udp -m udp --dport 5000:5010 -j DNAT --to-destination 10.244.2.7:6000-6010/5000\nCOMMIT\n',
    )
    expect(box.through(box.udp('10.244.1.2:4000', '10.9.2.7:5003'))?.dport).toBe(6003)
  })

  it('connlimit and hashlimit count each client for itself', () => {
    const box = new Box(
      '*filter\n-A FORWARD -p udp -m hashlimit --hashlimit-above 1/hour --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name h -j DROP\n' +
        '-A FORWARD -p tcp -m connlimit --connlimit-above 2 --connlimit-mask 32 --connlimit-saddr -j DROP\nCOMMIT\n',
    )
    const udp = (from: string) => box.through(box.udp(from, '10.244.2.2:53')) !== null
    expect(['1.1.1.1:1', '1.1.1.1:2', '1.1.1.1:3', '1.1.1.2:1'].map(udp)).toEqual([true, true, false, true])
    const syn = (from: string) => box.through(box.tcp(from, '10.244.2.2:80', tcp.SYN)) !== null
    expect(['1.1.1.1:1', '1.1.1.1:2', '1.1.1.1:3', '1.1.1.2:1'].map(syn)).toEqual([true, true, false, true])
    expect(box.world.frames.inUse).toBe(0)
  })
})
