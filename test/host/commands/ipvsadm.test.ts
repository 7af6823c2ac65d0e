/**
 * ipvsadm(8) 1.31. Its sentences, exit codes and layouts were taken from Debian 12's program, which for that spoke to a
 * library in place of a kernel: numbers of connections and what a kernel refuses are read from ip_vs_ctl.c.
 */
import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { procFile } from '../../../src/host/proc.ts'
import { Connection } from '../../../src/netfilter/ipvs/connection.ts'
import type { Ipvs } from '../../../src/netfilter/ipvs/ipvs.ts'
import { TcpState } from '../../../src/netfilter/ipvs/states.ts'
import { parseIpv4 } from '../../../src/wire/address.ts'
import { Node } from '../iproute/node.ts'

let node: Node
let ipvs: Ipvs

beforeEach(() => {
  node = new Node()
  ipvs = node.node.netns.netfilter.ipvs
})

const TITLE = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
`

async function all(...lines: string[]): Promise<void> {
  for (const line of lines) expect(await node.prints(line)).toBe('')
}

describe('ipvsadm', () => {
  it('lists nothing', async () => {
    expect(await node.prints('ipvsadm')).toBe(TITLE)
    expect(await node.prints('ipvsadm -Ln')).toBe(TITLE)
    expect(await node.prints('ipvsadm -Lnc')).toBe(
      'IPVS connection entries\npro expire state       source             virtual            destination\n',
    )
  })

  it('lists services by protocol, address and port, marks last, servers by address', async () => {
    await all(
      'ipvsadm -A -f 7 -s rr',
      'ipvsadm -A -u 10.96.0.10:53 -p 10800 -s rr',
      'ipvsadm -a -u 10.96.0.10:53 -r 10.244.1.3:53 -m',
      'ipvsadm -a -u 10.96.0.10:53 -r 10.244.0.2:53 -m -w 0',
      'ipvsadm -A -t 10.96.0.10:9153 -s sh -b sh-port,sh-fallback',
      'ipvsadm -A -t 10.96.0.10:53 -s wlc -p 360 -M 255.255.255.0',
      'ipvsadm -A -u 10.96.0.11:5353 -o -b flag-1',
      'ipvsadm -A -t 10.96.0.1:443 -s rr',
      'ipvsadm -a -t 10.96.0.1:443 -r 192.168.14.50:6443 --masquerading --weight=100',
    )
    expect(await node.prints('ipvsadm -L -n')).toBe(`${TITLE}TCP  10.96.0.1:443 rr
  -> 192.168.14.50:6443           Masq    100    0          0         
TCP  10.96.0.10:53 wlc persistent 360 mask 255.255.255.0
TCP  10.96.0.10:9153 sh (sh-fallback,sh-port)
UDP  10.96.0.10:53 rr persistent 10800
  -> 10.244.0.2:53                Masq    0      0          0         
  -> 10.244.1.3:53                Masq    1      0          0         
UDP  10.96.0.11:5353 wlc (flag-1) ops
FWM  7 rr
`)
    expect(await node.prints('ipvsadm -Sn')).toBe(`-A -t 10.96.0.1:443 -s rr
-a -t 10.96.0.1:443 -r 192.168.14.50:6443 -m -w 100
-A -t 10.96.0.10:53 -s wlc -p 360 -M 255.255.255.0
-A -t 10.96.0.10:9153 -s sh -b sh-fallback,sh-port
-A -u 10.96.0.10:53 -s rr -p 10800
-a -u 10.96.0.10:53 -r 10.244.0.2:53 -m -w 0
-a -u 10.96.0.10:53 -r 10.244.1.3:53 -m -w 1
-A -u 10.96.0.11:5353 -s wlc -o -b flag-1
-A -f 7 -s rr
`)
    expect(await node.prints('ipvsadm -Ln -u 10.96.0.10:53 --nosort')).toBe(`Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
UDP  10.96.0.10:53 rr persistent 10800
  -> 10.244.0.2:53                Masq    0      0          0         
  -> 10.244.1.3:53                Masq    1      0          0         
`)
    expect(
      await node.prints('ipvsadm -Ln -t 10.96.0.1:443 --thresholds'),
    ).toBe(`Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn 
  -> RemoteAddress:Port
TCP  10.96.0.1:443 rr
  -> 192.168.14.50:6443           0          0          0          0         
`)
    expect(
      await node.prints('ipvsadm -Ln -t 10.96.0.1:443 --persistent-conn'),
    ).toBe(`Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn 
  -> RemoteAddress:Port
TCP  10.96.0.1:443 rr
  -> 192.168.14.50:6443           100       0           0          0         
`)
    expect(
      await node.prints('ipvsadm -Ln -t 10.96.0.1:443 --stats'),
    ).toBe(`Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
  -> RemoteAddress:Port
TCP  10.96.0.1:443                       0        0        0        0        0
  -> 192.168.14.50:6443                  0        0        0        0        0
`)
    expect(
      await node.prints('ipvsadm -Ln -t 10.96.0.1:443 --rate'),
    ).toBe(`Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS
  -> RemoteAddress:Port
TCP  10.96.0.1:443                       0        0        0        0        0
  -> 192.168.14.50:6443                  0        0        0        0        0
`)
  })

  it('restores what it saved', async () => {
    await all(
      'ipvsadm -A -t 10.0.0.1:80 -s wrr -p 50',
      'ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.2:8080 -m -w 3',
      'ipvsadm -A -f 9 -s nq',
    )
    const saved = await node.prints('ipvsadm -Sn')
    await all('ipvsadm -C')
    expect(await node.prints('ipvsadm -Ln')).toBe(TITLE)
    const restored = await node.run('ipvsadm -R', node.node.place, saved)
    expect([restored.code, restored.out, restored.err]).toEqual([0, '', ''])
    expect(await node.prints('ipvsadm -Sn')).toBe(saved)
  })

  it('names ports and hosts unless it is told not to', async () => {
    node.node.place.files.set('/etc/hosts', '127.0.0.1 localhost\n10.0.0.2 web1\n')
    await all('ipvsadm -A -t 10.0.0.1:http -s rr', 'ipvsadm -a -t 10.0.0.1:80 -r web1:81 -m')
    node.node.place.files.set('/etc/hosts', '10.0.0.1 vip\n10.0.0.2 web1\n')
    expect(await node.prints('ipvsadm')).toBe(`${TITLE}TCP  vip:http rr
  -> web1:81                      Masq    1      0          0         
`)
  })

  it('changes services and servers', async () => {
    await all(
      'ipvsadm -A -t 10.0.0.1:80 -s rr',
      'ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.2:80 -m',
      'ipvsadm -E -t 10.0.0.1:80 -s sed -p',
      'ipvsadm -e -t 10.0.0.1:80 -r 10.0.0.2:80 -m -w 7 -x 10 -y 5',
    )
    expect(await node.prints('ipvsadm -Sn')).toBe(
      '-A -t 10.0.0.1:80 -s sed -p 360\n-a -t 10.0.0.1:80 -r 10.0.0.2:80 -m -w 7\n',
    )
    const [server] = ipvs.services[0].servers
    expect([server.upper, server.lower]).toEqual([10, 5])
    await all('ipvsadm -Z', 'ipvsadm -Z -t 10.0.0.1:80', 'ipvsadm -d -t 10.0.0.1:80 -r 10.0.0.2:80')
    await all('ipvsadm -D -t 10.0.0.1:80')
    expect(await node.prints('ipvsadm -Sn')).toBe('')
  })

  it('is read in /proc, too', async () => {
    expect(procFile(node.node.netns, '/proc/net/ip_vs')).toBeNull()
    await all('ipvsadm -A -t 10.96.0.1:443 -s rr -p 60', 'ipvsadm -a -t 10.96.0.1:443 -r 192.168.14.50:6443 -m')
    const read = (name: string) => procFile(node.node.netns, `/proc/net/${name}`)
    expect(read('ip_vs')).toBe(`IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A600001:01BB rr  persistent 15000 FFFFFFFF
  -> C0A80E32:192B      Masq    1      0          0         
`)
    const [server] = ipvs.services[0].servers
    const kind = { template: false, once: false, tracked: false }
    const connection = new Connection(
      6,
      parseIpv4('10.244.1.3'),
      41652,
      ipvs.services[0].address,
      443,
      server,
      6443,
      kind,
    )
    connection.state = TcpState.ESTABLISHED
    connection.timeout = 899.5e9
    ipvs.connect(connection)
    expect(read('ip_vs_conn')).toBe(
      'Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n' +
        'TCP 0AF40103 A2B4 0A600001 01BB C0A80E32 192B ESTABLISHED     899\n',
    )
    expect(await node.prints('ipvsadm -Lnc')).toBe(`IPVS connection entries
pro expire state       source             virtual            destination
TCP 14:59  ESTABLISHED 10.244.1.3:41652   10.96.0.1:443      192.168.14.50:6443
`)
    expect(read('ip_vs_stats')).toBe(
      '   Total Incoming Outgoing         Incoming         Outgoing\n' +
        '   Conns  Packets  Packets            Bytes            Bytes\n' +
        `${'0'.padStart(8)} ${'0'.padStart(8)} ${'0'.padStart(8)} ${'0'.padStart(16)} ${'0'.padStart(16)}\n\n` +
        ' Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n' +
        `${'0'.padStart(8)} ${'0'.padStart(8)} ${'0'.padStart(8)} ${'0'.padStart(16)} ${'0'.padStart(16)}\n`,
    )
  })

  it('sets time-outs', async () => {
    expect(await node.prints('ipvsadm -L --timeout')).toBe('Timeout (tcp tcpfin udp): 900 120 300\n')
    await all('ipvsadm --set 0 60 30')
    expect(await node.prints('ipvsadm -L --timeout')).toBe('Timeout (tcp tcpfin udp): 900 60 30\n')
  })

  it('says what it is', async () => {
    const version = 'ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)\n'
    expect(await node.prints('ipvsadm --version')).toBe(version)
    const help = await node.prints('ipvsadm -h')
    expect(help.startsWith(`${version}Usage:\n  ipvsadm -A|E virtual-service [-s scheduler]`)).toBe(true)
    expect(help.endsWith('  --mcast-ttl ttl                     Multicast TTL (default=1)\n')).toBe(true)
  })

  it('switches are there once ip_vs is loaded', async () => {
    const { sysctl } = new Node().node.netns
    expect(sysctl.get('net.ipv4.vs.conntrack')).toBeNull()
    await node.prints('ipvsadm')
    expect(await node.prints('sysctl -n net.ipv4.vs.conntrack net.ipv4.vs.conn_reuse_mode')).toBe('0\n1\n')
  })

  const sentences: readonly [line: string, said: string][] = [
    ['ipvsadm foo', "255 Try `ipvsadm -h' or 'ipvsadm --help' for more information."],
    ['ipvsadm -n', "255 Try `ipvsadm -h' or 'ipvsadm --help' for more information."],
    ['ipvsadm -A', "2 You need to supply the 'service-address' option for the 'add-service' command"],
    ['ipvsadm -A -n -c', "2 Illegal 'numeric' option with the 'add-service' command"],
    ['ipvsadm -A -t 10.0.0.1:80 -w 3', "2 Illegal 'weight' option with the 'add-service' command"],
    ['ipvsadm -A -t 10.0.0.1', '2 Zero port specified for non-persistent service'],
    ['ipvsadm -A -t 10.0.0.1:80 -o', '2 One-Packet Scheduling is only for UDP virtual services'],
    ['ipvsadm -A -t 10.0.0.1:99999', '2 illegal virtual server address[:port] specified'],
    ['ipvsadm -A -t :80', '2 illegal virtual server address[:port] specified'],
    ['ipvsadm -A -t 10.0.0.1:', '2 illegal virtual server address[:port] specified'],
    ['ipvsadm -A -f 0', "2 invalid fwmark value `0' specified"],
    ['ipvsadm -A -t 10.0.0.1:80 -p 0', "2 invalid timeout value `0' specified"],
    ['ipvsadm -A -t 10.0.0.1:80 -p 3000000', "2 invalid timeout value `3000000' specified"],
    ['ipvsadm -A -t 10.0.0.1:80 -s', '255 -s: missing argument'],
    ['ipvsadm -A -t 10.0.0.1:80 --frob', '255 --frob: unknown option'],
    ['ipvsadm -A -t 10.0.0.1:80 -D', "2 invalid option `-D'"],
    ['ipvsadm -Ah', "2 invalid option `-Ah'"],
    ['ipvsadm -A -t 10.0.0.1:80 extra', '2 unexpected argument extra'],
    ['ipvsadm -A -t 10.0.0.1:80 -t 10.0.0.2:80', "2 multiple 'service-address' options specified"],
    ['ipvsadm -A -t 10.0.0.1:80 -s rr -b foo', "2 invalid scheduler flag `foo'"],
    ['ipvsadm -A -t 10.0.0.1:80 -s rr -b sh-port', "2 incompatible scheduler flag `sh-port'"],
    ['ipvsadm -A -t 10.0.0.1:80 -s foo', '255 Scheduler or persistence engine not found'],
    ['ipvsadm -a -t 10.0.0.1:80', "2 You need to supply the 'real-server' option for the 'add-server' command"],
    ['ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.2 -i -m', "2 multiple 'forwarding-method' options specified"],
    ['ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.2:abc', '2 illegal real server address[:port] specified'],
    ['ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.2 -m -w -1', '2 illegal weight specified'],
    ['ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.2 -m', '255 Service not defined'],
    ['ipvsadm -e -t 10.0.0.1:80 -r 10.0.0.2 -m', '255 Service not defined'],
    ['ipvsadm -d -t 10.0.0.1:80 -r 10.0.0.2', '255 Service not defined'],
    ['ipvsadm -E -t 10.0.0.1:80', '255 No such service'],
    ['ipvsadm -D -t 10.0.0.1:80', '255 No such service'],
    ['ipvsadm -Z -t 10.0.0.1:80', '255 No such service'],
    ['ipvsadm -Ln -t 10.0.0.1:80', '1 No such service'],
    ['ipvsadm --set 1 2', '2 --set option requires 3 timeout values'],
    ['ipvsadm --set 1 2 x', "2 invalid timeout value `x' specified"],
    ['ipvsadm -L -w 1 -s rr', "2 Illegal 'scheduler' option with the 'list' command"],
    ['ipvsadm -L -c --stats', '2 options conflicts in the list command'],
    [
      'ipvsadm -L -c -t 10.0.0.1:80',
      "2 The option 'service-address' conflicts with the 'connection' option in the 'list' command",
    ],
    ['ipvsadm -S -t 10.0.0.1:80', "2 Illegal 'service-address' option with the 'save' command"],
    ['ipvsadm -C -n', "2 Illegal 'numeric' option with the 'flush' command"],
  ]
  for (const [line, said] of sentences) {
    it(`${line}: ${said}`, async () => {
      expect(await node.fails(line)).toBe(said)
    })
  }

  it('says what the kernel refuses about what is there', async () => {
    await all('ipvsadm -A -t 10.0.0.1:80 -s rr', 'ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.2 -m')
    expect(await node.fails('ipvsadm -A -t 10.0.0.1:80 -s rr')).toBe('255 Service already exists')
    expect(await node.fails('ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.2 -m')).toBe('255 Destination already exists')
    expect(await node.fails('ipvsadm -e -t 10.0.0.1:80 -r 10.0.0.3 -m')).toBe('255 No such destination')
    expect(await node.fails('ipvsadm -d -t 10.0.0.1:80 -r 10.0.0.3')).toBe('255 No such destination')
    const odd = 'ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.3 -m -x 5 -y 10'
    expect(await node.fails(odd)).toBe('255 Numerical result out of range')
  })

  it('says what is not modelled', async () => {
    await all('ipvsadm -A -t 10.0.0.1:80 -s rr')
    const lines = [
      'ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.2',
      'ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.2 -i',
      'ipvsadm -A --sctp-service 10.0.0.2:80',
      'ipvsadm -A -t [::1]:80',
      'ipvsadm --start-daemon master',
    ]
    for (const line of lines) expect(await node.fails(line)).toMatch(/^2 podwire: .* not modelled$/)
  })

  it('takes any words', async () => {
    const words = fc.constantFrom(
      ...'-A -E -D -a -e -d -C -L -S -R -Z --set -t -u -f -s -p -M -r -m -w -x -y -n -c -b -o -X -- - 10.0.0.1:80 10.0.0.2 5 rr 0 :'.split(
        ' ',
      ),
      '--timeout',
      '--persistent=',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(words, fc.string()), { maxLength: 7 }), async (line) => {
        const place = node.node.place.spawn(['ipvsadm', ...line], { out: () => {}, err: () => {}, stdin: '' })
        const code = await node.runner.until(place.exit)
        expect([0, 1, 2, 255]).toContain(code)
      }),
      { numRuns: 300 },
    )
  })
})
