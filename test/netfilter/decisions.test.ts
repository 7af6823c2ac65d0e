/** What netfilter says of its decisions. Each entry is looked up in its command's output by the listener. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Frame } from '../../src/link/frame.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import * as icmp from '../../src/wire/icmp.ts'
import { ACK, PSH, RST, SYN } from '../../src/wire/tcp.ts'
import { Box } from './box.ts'
import { KUBE_RULES } from './kube-rules.ts'
import { Listener } from './listener.ts'

let box = new Box()
let listener = new Listener(box)
afterEach(() => {
  listener.stop()
  expect(box.world.frames.inUse).toBe(0)
})

function hear(rules = ''): void {
  listener.stop()
  box = new Box(rules)
  listener = new Listener(box)
}

/** The lines that begin like this, since the last asking. */
function heard(...beginnings: string[]): string[] {
  return listener.heard().filter((line) => beginnings.some((word) => line.startsWith(word)))
}

const CLIENT = '10.244.1.2:37066'
const DNS = 'src=10.244.1.2 dst=10.96.0.10 sport=4000 dport=53 src=10.244.2.4 dst=10.244.1.2 sport=53 dport=4000 mark=0'

describe('decisions of iptables, conntrack and NAT', () => {
  it('a first packet to a ClusterIP, its answer, and a later one', () => {
    hear(KUBE_RULES)
    box.through(box.udp('10.244.1.2:4000', '10.96.0.10:53'))
    const first = listener.heard()
    expect(first.slice(0, 10)).toEqual([
      'hook PREROUTING, in cni0',
      'conntrack begins a flow, udp 10.244.1.2:4000 > 10.96.0.10:53, which is in the table once the packet leaves this node',
      'nat PREROUTING rule 1 matches and jumps to KUBE-SERVICES: -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
      'nat KUBE-SERVICES rule 3 matches and jumps to KUBE-SVC-TCOU7JCQXEZGVUNU: -A KUBE-SERVICES -d 10.96.0.10/32 -p udp -m comment --comment "kube-system/kube-dns:dns cluster IP" -m udp --dport 53 -j KUBE-SVC-TCOU7JCQXEZGVUNU',
      'nat KUBE-SVC-TCOU7JCQXEZGVUNU rule 2 matches and jumps to KUBE-SEP-IT2ZTR26TO4XFPTO: -A KUBE-SVC-TCOU7JCQXEZGVUNU -m comment --comment "kube-system/kube-dns:dns -> 10.244.2.4:53" -j KUBE-SEP-IT2ZTR26TO4XFPTO',
      'nat KUBE-SEP-IT2ZTR26TO4XFPTO rule 2 matches and DNAT gives the flow the destination 10.244.2.4:53: -A KUBE-SEP-IT2ZTR26TO4XFPTO -p udp -m comment --comment "kube-system/kube-dns:dns" -m udp -j DNAT --to-destination 10.244.2.4:53',
      'NAT at PREROUTING: destination 10.96.0.10:53 becomes 10.244.2.4:53, as the rule chose',
      'hook FORWARD, in cni0, out flannel.1',
      'filter FORWARD rule 1 matches and jumps to KUBE-PROXY-FIREWALL, which is empty: -A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL',
      'filter FORWARD rule 2 matches and jumps to KUBE-FORWARD: -A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD',
    ])
    expect(first.slice(-2)).toEqual([
      'nat POSTROUTING leaves the flow as it is: -P POSTROUTING ACCEPT',
      `conntrack confirms the flow: it is in the table from now on: ${DNS.replace(' src=10.244.2.4', ' [UNREPLIED] src=10.244.2.4')}`,
    ])
    box.through(box.udp('10.244.2.4:53', '10.244.1.2:4000'), box.flannel, box.cni0)
    expect(listener.heard()).toEqual([
      'hook PREROUTING, in flannel.1',
      `conntrack knows the flow: reply direction, udp 10.244.2.4:53 > 10.244.1.2:4000: ${DNS}`,
      'hook FORWARD, in flannel.1, out cni0',
      'filter FORWARD rule 2 matches and jumps to KUBE-FORWARD: -A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD',
      'filter KUBE-FORWARD rule 3 matches and accepts the packet: -A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      'hook POSTROUTING, out cni0',
      `NAT at POSTROUTING: source 10.244.2.4:53 becomes 10.96.0.10:53, undoing what the flow's first packet was given: ${DNS}`,
    ])
    box.through(box.udp('10.244.1.2:4000', '10.96.0.10:53'))
    expect(heard('NAT')).toEqual([
      `NAT at PREROUTING: destination 10.96.0.10:53 becomes 10.244.2.4:53, as for the flow's first packet: ${DNS}`,
    ])
  })

  it('a draw among endpoints, lost and won', () => {
    hear(
      '*nat\n-A PREROUTING -m statistic --mode random --probability 0.50000000000 -j DNAT --to-destination 10.0.0.9\nCOMMIT\n',
    )
    const draws = new Set<string>()
    for (let port = 1; port <= 12; port++) {
      box.through(box.udp(`10.244.1.2:${port}`, '10.96.0.10:53'))
      for (const line of heard('nat PREROUTING rule')) draws.add(line.replace(/0\.[0-9]{4},/, 'N,'))
    }
    const rule =
      '-A PREROUTING -m statistic --mode random --probability 0.50000000000 -j DNAT --to-destination 10.0.0.9'
    expect([...draws].sort()).toEqual([
      `nat PREROUTING rule 1 does not match (chance drew N, not below 0.50000000000): ${rule}`,
      `nat PREROUTING rule 1 matches (chance drew N, below 0.50000000000) and DNAT gives the flow the destination 10.0.0.9:53: ${rule}`,
    ])
  })

  it('MASQUERADE, a mark, and a port that is taken', () => {
    hear(`*nat
-A PREROUTING -j MARK --set-xmark 0x4000/0x4000
-A POSTROUTING -j MASQUERADE
COMMIT
`)
    box.through(box.udp('10.0.0.1:4000', '10.0.0.9:53'))
    expect(heard('nat P', 'NAT')).toEqual([
      'nat PREROUTING rule 1 matches and sets the mark 0x0 to 0x4000: -A PREROUTING -j MARK --set-xmark 0x4000/0x4000',
      'nat PREROUTING leaves the flow as it is: -P PREROUTING ACCEPT',
      'nat POSTROUTING rule 1 matches and MASQUERADE gives the flow the source 10.244.1.0:4000: -A POSTROUTING -j MASQUERADE',
      'NAT at POSTROUTING: source 10.0.0.1:4000 becomes 10.244.1.0:4000, as the rule chose',
    ])
    box.through(box.udp('10.0.0.2:4000', '10.0.0.9:53'))
    expect(heard('NAT')[0]).toMatch(
      /^NAT at POSTROUTING: source 10.0.0.2:4000 becomes 10.244.1.0:[0-9]+, as the rule chose, and a free port, since the old one is taken$/,
    )
    box.through(box.echo('10.0.0.2', '10.0.0.9', 7))
    expect(heard('NAT')).toEqual(['NAT at POSTROUTING: source 10.0.0.2 becomes 10.244.1.0, as the rule chose'])
  })

  it('REJECT, a policy of DROP, and what is INVALID', () => {
    hear(KUBE_RULES)
    box.through(box.tcp(CLIENT, '10.96.0.81:80', SYN))
    expect(listener.heard().slice(-2)).toEqual([
      'filter KUBE-SERVICES rule 1 matches and refuses the packet with icmp-port-unreachable: -A KUBE-SERVICES -d 10.96.0.81/32 -p tcp -m comment --comment "default/empty has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable',
      'dropped',
    ])
    box.netfilter.iptables(['-P', 'FORWARD', 'DROP'])
    box.through(box.tcp('192.168.14.7:5', '192.168.14.8:80', SYN), box.eth0, box.eth0)
    expect(listener.heard().slice(-2)).toEqual([
      'filter FORWARD has no last word: policy DROP: -P FORWARD DROP',
      'dropped',
    ])
    box.netfilter.iptables(['-P', 'FORWARD', 'ACCEPT'])
    box.through(box.tcp(CLIENT, '10.96.0.80:80', SYN))
    listener.heard()
    box.through(box.tcp(CLIENT, '10.96.0.80:80', ACK | PSH))
    expect(heard('conntrack', 'filter KUBE-FORWARD')).toEqual([
      'conntrack finds the packet INVALID: packet (index 3) in dir 0 invalid, state SYN_SENT',
      'filter KUBE-FORWARD rule 1 matches and drops the packet: -A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP',
    ])
    const damaged = box.tcp('10.244.1.2:9', '10.96.0.80:80', SYN)
    damaged.bytes[damaged.transport + 16] ^= 1
    expect(box.forward(damaged)).toBe(false)
    expect(heard('conntrack')).toEqual(['conntrack finds the packet INVALID: bad checksum'])
  })

  it("TCP's states, the window, and a flow that ends", () => {
    hear(KUBE_RULES)
    box.through(box.tcp('10.244.1.2:5', '10.244.2.3:80', SYN))
    listener.heard()
    box.through(box.tcp('10.244.2.3:80', '10.244.1.2:5', SYN | ACK, { seq: 9, ack: 1001 }), box.flannel, box.cni0)
    box.through(box.tcp('10.244.1.2:5', '10.244.2.3:80', ACK, { seq: 1001, ack: 10 }))
    const tail = 'src=10.244.1.2 dst=10.244.2.3 sport=5 dport=80 src=10.244.2.3 dst=10.244.1.2 sport=80 dport=5'
    expect(heard('conntrack')).toEqual([
      `conntrack knows the flow: reply direction, tcp 10.244.2.3:80 > 10.244.1.2:5, SYN_SENT becomes SYN_RECV: SYN_RECV ${tail} mark=0`,
      `conntrack knows the flow: original direction, tcp 10.244.1.2:5 > 10.244.2.3:80, SYN_RECV becomes ESTABLISHED: ESTABLISHED ${tail} [ASSURED] mark=0`,
    ])
    box.through(box.tcp('10.244.1.2:5', '10.244.2.3:80', ACK, { seq: 90_000_000, ack: 10, length: 10 }))
    expect(heard('conntrack')).toEqual([
      'conntrack finds the packet INVALID: SEQ is over upper bound 66537 (over the window of the receiver)',
    ])
    box.through(box.tcp('10.244.1.2:6', '10.244.2.3:80', SYN))
    box.through(box.tcp('10.244.1.2:6', '10.244.2.3:80', RST, { seq: 1001 }))
    expect(heard('conntrack').at(-1)).toBe(
      'conntrack knows the flow: original direction, tcp 10.244.1.2:6 > 10.244.2.3:80, which is over and leaves the table',
    )
  })

  it('an ICMP error about a translated flow', () => {
    hear(KUBE_RULES)
    const sent = box.udp('10.244.1.2:4000', '10.96.0.10:53')
    expect(box.forward(sent)).toBe(true)
    const error: Frame = box.error('10.244.2.1', sent, icmp.DESTINATION_UNREACHABLE, icmp.PORT_UNREACHABLE)
    box.world.frames.consume(sent)
    listener.heard()
    box.through(error, box.flannel, box.cni0)
    const entry = DNS.replace(' src=10.244.2.4', ' [UNREPLIED] src=10.244.2.4')
    expect(heard('conntrack', 'NAT')).toEqual([
      `conntrack finds the quoted packet's flow, so the error is RELATED to udp 10.244.1.2:4000 > 10.96.0.10:53: ${entry}`,
      `NAT at POSTROUTING, in an ICMP error: source 10.244.2.1 becomes 10.96.0.10, and in the packet it quotes destination 10.244.2.4:53 becomes 10.96.0.10:53: ${entry}`,
    ])
    const stray = box.udp('10.244.1.2:77', '10.244.2.9:53')
    const about = box.error('10.244.2.1', stray, icmp.DESTINATION_UNREACHABLE, icmp.PORT_UNREACHABLE)
    box.world.frames.consume(stray)
    box.through(about, box.flannel, box.cni0)
    expect(heard('conntrack')).toEqual(['conntrack finds the packet INVALID: an ICMP error about no known flow'])
  })

  it('rates, lists and counts', () => {
    hear(`*filter
-A FORWARD -p udp -m limit --limit 1/min --limit-burst 1 -j ACCEPT
-A FORWARD -p udp -m recent --rcheck --name seen --mask 255.255.255.255 --rsource -j ACCEPT
-A FORWARD -p udp -m recent --set --name seen --mask 255.255.255.255 --rsource
-A FORWARD -p udp -m connlimit --connlimit-above 1 --connlimit-mask 32 --connlimit-saddr -j DROP
COMMIT
`)
    const reasons = () => heard('filter').map((line) => line.replace(/: .*/, ''))
    box.through(box.udp('10.244.1.2:4000', '10.244.2.4:53'))
    expect(reasons()).toEqual([
      'filter FORWARD rule 1 matches (within the limit, 0 more at once) and accepts the packet',
    ])
    box.through(box.udp('10.244.1.2:4000', '10.244.2.4:53'))
    expect(reasons()).toEqual([
      'filter FORWARD rule 1 does not match (over the limit)',
      'filter FORWARD rule 2 does not match (10.244.1.2 is not in the list seen)',
      'filter FORWARD rule 3 matches (10.244.1.2 is noted in the list seen) and counts the packet',
      'filter FORWARD rule 4 does not match (1 connection open, the limit is 1)',
      'filter FORWARD has no last word',
    ])
    box.through(box.udp('10.244.1.2:4000', '10.244.2.4:53'))
    expect(reasons().at(-1)).toBe(
      'filter FORWARD rule 2 matches (10.244.1.2 is seen 1 time by the list seen) and accepts the packet',
    )
  })

  it("iptables-legacy's rules, and a packet that is not tracked", () => {
    hear('*raw\n-A PREROUTING -p udp -j NOTRACK\nCOMMIT\n')
    box.netfilter.iptables(['-A', 'FORWARD', '-p', 'udp', '-j', 'DROP'], box.netfilter.legacy)
    box.through(box.udp('10.244.1.2:4000', '10.244.2.4:53'))
    expect(listener.heard()).toEqual([
      'hook PREROUTING, in cni0',
      'raw PREROUTING rule 1 matches and takes the packet out of tracking: -A PREROUTING -p udp -j NOTRACK',
      'hook FORWARD, in cni0, out flannel.1',
      'filter FORWARD rule 1 matches and drops the packet: -A FORWARD -p udp -j DROP',
      'dropped',
    ])
  })

  it('nft: verdict maps with their elements, sets, NAT and a policy', () => {
    hear()
    box.devices.forEach((device, i) => {
      device.index = i + 1
    })
    const loaded = box.netfilter.runNft(
      {
        name: 'test',
        text: `table ip kube-proxy {
          map service-ips {
            type ipv4_addr . inet_proto . inet_service : verdict
            elements = { 10.96.0.80 . tcp . 80 : goto service-web, 10.96.0.10 . udp . 53 : goto service-dns }
          }
          set cluster-ips { type ipv4_addr; elements = { 10.96.0.80, 10.96.0.10 }; }
          chain services { ip daddr . meta l4proto . th dport vmap @service-ips comment "all of them"; }
          chain service-web { counter; goto endpoint-web; }
          chain service-dns { }
          chain endpoint-web { meta l4proto tcp dnat to 10.244.1.3:8080; }
          chain nat-prerouting { type nat hook prerouting priority dstnat; policy accept; jump services; }
          chain late { type nat hook postrouting priority srcnat; policy accept; oif "flannel.1" masquerade; }
          chain filter-forward {
            type filter hook forward priority -110; policy drop;
            iifname { "cni0", "eth0" } ip daddr @cluster-ips reject
            ct state established,related accept
            ip protocol tcp meta mark set meta mark | 0x4000
            ip protocol tcp accept
          }
        }`,
      },
      () => box.devices,
    )
    expect(loaded.err).toBe('')
    box.through(box.tcp(CLIENT, '10.96.0.80:80', SYN))
    expect(listener.heard()).toEqual([
      'hook PREROUTING, in cni0',
      `conntrack begins a flow, tcp ${CLIENT} > 10.96.0.80:80, which is in the table once the packet leaves this node`,
      'nft ip kube-proxy nat-prerouting rule 1 matches and jumps to services: jump services',
      'nft ip kube-proxy services rule 1 matches and goes on in service-web: ip daddr . meta l4proto . th dport vmap @service-ips comment "all of them"',
      'nft ip kube-proxy map service-ips has the element: 10.96.0.80 . tcp . 80 : goto service-web',
      'nft ip kube-proxy service-web rule 1 matches and counts the packet: counter',
      'nft ip kube-proxy service-web rule 2 matches and goes on in endpoint-web: goto endpoint-web',
      'nft ip kube-proxy endpoint-web rule 1 matches and dnat gives the flow the destination 10.244.1.3:8080: meta l4proto tcp dnat to 10.244.1.3:8080',
      'NAT at PREROUTING: destination 10.96.0.80:80 becomes 10.244.1.3:8080, as the rule chose',
      'hook FORWARD, in cni0, out flannel.1',
      'nft ip kube-proxy filter-forward rule 3 matches and sets the mark 0x0 to 0x4000: ip protocol tcp meta mark set meta mark | 0x00004000',
      'nft ip kube-proxy filter-forward rule 4 matches and accepts the packet: ip protocol tcp accept',
      'hook POSTROUTING, out flannel.1',
      'nft ip kube-proxy late rule 1 matches and masquerade gives the flow the source 10.244.1.0:37066: oif "flannel.1" masquerade',
      'NAT at POSTROUTING: source 10.244.1.2:37066 becomes 10.244.1.0:37066, as the rule chose',
      'conntrack confirms the flow: it is in the table from now on: SYN_SENT src=10.244.1.2 dst=10.96.0.80 sport=37066 dport=80 [UNREPLIED] src=10.244.1.3 dst=10.244.1.0 sport=8080 dport=37066 mark=0',
    ])
    box.through(box.udp('10.244.1.2:4000', '10.96.0.10:53'))
    expect(listener.heard().slice(2)).toEqual([
      'nft ip kube-proxy nat-prerouting rule 1 matches and jumps to services: jump services',
      'nft ip kube-proxy services rule 1 matches and goes on in service-dns, which is empty: ip daddr . meta l4proto . th dport vmap @service-ips comment "all of them"',
      'nft ip kube-proxy map service-ips has the element: 10.96.0.10 . udp . 53 : goto service-dns',
      'nft ip kube-proxy nat-prerouting leaves the flow as it is: type nat hook prerouting priority dstnat; policy accept;',
      'hook FORWARD, in cni0, out flannel.1',
      'nft ip kube-proxy filter-forward rule 1 matches and refuses the packet with icmp-port-unreachable: iifname { "eth0", "cni0" } ip daddr @cluster-ips reject',
      'nft ip kube-proxy set cluster-ips has the element: 10.96.0.10',
      'dropped',
    ])
    box.through(box.udp('10.244.1.2:4000', '10.244.2.9:53'))
    expect(heard('nft ip kube-proxy filter').at(-1)).toBe(
      'nft ip kube-proxy filter-forward has no last word: policy drop: type filter hook forward priority -110; policy drop;',
    )
  })

  it("a set's element", () => {
    hear()
    const { netfilter } = box
    for (const line of [
      'create KUBE-CLUSTER-IP hash:ip,port comment',
      'create inner hash:net',
      'create outer list:set',
    ]) {
      netfilter.ipset(line.split(' '))
    }
    netfilter.ipset(['add', 'KUBE-CLUSTER-IP', '10.96.0.80,tcp:80', 'comment', 'web'])
    netfilter.ipset(['add', 'inner', '10.96.0.0/16'])
    netfilter.ipset(['add', 'outer', 'inner'])
    netfilter.iptables('-A FORWARD -m set --match-set KUBE-CLUSTER-IP dst,dst'.split(' '))
    netfilter.iptables('-A FORWARD -m set --match-set outer dst -j DROP'.split(' '))
    netfilter.iptables('-I FORWARD -m set ! --match-set outer src'.split(' '))
    box.through(box.tcp(CLIENT, '10.96.0.80:80', SYN))
    expect(heard('filter', 'ipset')).toEqual([
      'filter FORWARD rule 1 matches and counts the packet: -A FORWARD -m set ! --match-set outer src',
      'filter FORWARD rule 2 matches and counts the packet: -A FORWARD -m set --match-set KUBE-CLUSTER-IP dst,dst',
      'ipset KUBE-CLUSTER-IP has the element: 10.96.0.80,tcp:80',
      'filter FORWARD rule 3 matches and drops the packet: -A FORWARD -m set --match-set outer dst -j DROP',
      'ipset inner has the element: 10.96.0.0/16',
    ])
  })

  it('changes nothing: a box that is heard does as one that is not', () => {
    const play = (): string[] => {
      const made: string[] = []
      for (let i = 0; i < 40; i++) {
        const frame = box.tcp(`10.244.1.2:${1000 + (i % 7)}`, '10.96.0.80:80', i % 3 === 0 ? SYN : ACK, { seq: i })
        if (!box.forward(frame, box.cni0, i % 2 === 0 ? box.cni0 : box.flannel)) made.push('dropped')
        else {
          made.push(frame.bytes.subarray(frame.network, frame.end).join())
          box.world.frames.consume(frame)
        }
        box.world.scheduler.run(i * SECOND)
      }
      return [...made, ...box.flows(), box.netfilter.save({ counters: true })]
    }
    hear(KUBE_RULES)
    const traced = play()
    expect(listener.heard().length).toBeGreaterThan(100)
    listener.stop()
    box = new Box(KUBE_RULES)
    expect(play()).toEqual(traced)
  })
})
