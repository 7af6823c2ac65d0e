/** Small things that labs on a real kernel (6.18) showed. Texts and frames are what it said in the same lab. */
import { describe, expect, it } from 'vitest'
import { Capture } from '../../src/capture/capture.ts'
import type { Lab, LabPod } from '../../src/dev/lab-file.ts'
import { DEFAULT_EPOCH } from '../../src/host/run.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { build, serve, type, underlay, watch } from './lab.ts'

const nodes = [1, 2].map((i) => ({ name: `node${i}`, ip: `192.168.14.1${i}`, podCIDR: `10.244.${i}.0/24` }))
const client: LabPod = { name: 'client', node: 'node1', ip: '10.244.1.2' }
const web1: LabPod = { name: 'web1', node: 'node1', ip: '10.244.1.3' }
const web2: LabPod = { name: 'web2', node: 'node2', ip: '10.244.2.2' }
const ext = { name: 'ext', ip: '192.168.14.1', router: true }
const cluster: Lab = { underlay, nodes, hosts: [ext], pods: [client, web1, web2] }

describe('redirects', () => {
  const user = { name: 'user', ip: '192.168.14.100', routes: ['10.244.0.0/16 via 192.168.14.1'] }
  const routes = ['10.244.1.0/24 via 192.168.14.11', '10.244.2.0/24 via 192.168.14.12']
  const lab: Lab = { ...cluster, hosts: [{ ...ext, routes }, user] }

  it('are named by ping, and counted where they are sent and where they come', async () => {
    const built = await build(lab)
    const said = await type(built, 'user', 'ping -c 3 10.244.2.2')
    const redirect = (n: number) => `From 192.168.14.1: icmp_seq=${n} Redirect Host(New nexthop: 192.168.14.12)`
    expect(said.split('\n').filter((line) => line.includes('Redirect'))).toEqual([redirect(1), redirect(2)])
    expect(await type(built, 'ext', 'grep IcmpMsg /proc/net/snmp')).toBe('IcmpMsg: OutType5\nIcmpMsg: 2\n')
    expect(await type(built, 'user', 'grep IcmpMsg /proc/net/snmp')).toBe(
      'IcmpMsg: InType0 InType5 OutType8\nIcmpMsg: 3 2 3\n',
    )
  })

  it('empty the allowance of the errors that their host may be told', async () => {
    const built = await build({ ...cluster, hosts: [{ ...ext, routes: ['10.9.9.0/24 via 192.168.14.77'] }, user] })
    await built.runner.runFor(30 * SECOND)
    await type(built, 'user', 'ip route add 10.9.9.0/24 via 192.168.14.1')
    const seen = watch(built, 'user.eth0')
    // Each redirect empties it: when ARP has failed after three seconds, one of fifteen packets is answered for.
    await type(built, 'user', 'ping -c 6 -i 0.2 -w 5 10.9.9.9')
    expect(seen.filter((line) => line.includes('redirect')).length).toBeGreaterThan(0)
    const refused = seen.filter((line) => line.startsWith('in ') && line.includes('host 10.9.9.9 unreachable'))
    expect(refused).toHaveLength(1)
  })
})

describe('what does not fit', () => {
  it('does not pass a far end with a smaller MTU, and nobody is told', async () => {
    const built = await build(cluster)
    await type(built, 'client', 'ip link set eth0 mtu 1300')
    expect(await type(built, 'web2', 'ping -c 1 -W 1 -s 1400 10.244.1.2')).toContain('0 received, 100% packet loss')
    expect(await type(built, 'web2', 'ping -c 1 -W 1 -s 1276 10.244.1.2')).toContain(' 0% packet loss')
    expect(await type(built, 'client', 'cat /sys/class/net/eth0/statistics/rx_dropped')).toBe('1\n')
  })

  it('is told of by a node whose tunnel has a narrow underlay', async () => {
    const built = await build({ ...cluster, underlay: { ...underlay, mtu: 1400 } })
    expect(await type(built, 'client', 'ping -c 1 -W 1 -s 1380 -M do 10.244.2.2')).toContain(
      'From 10.244.1.1 icmp_seq=1 Frag needed and DF set (mtu = 1350)',
    )
    expect(await type(built, 'node1', 'ip link show flannel.1')).toContain('mtu 1350')
    expect(await type(built, 'node1', 'ip link show cni0')).toContain('mtu 1450')
  })

  it('takes addrgenmode from a device that is too small for IPv6', async () => {
    const built = await build(cluster)
    expect(await type(built, 'client', 'ip -d link show eth0')).toContain('veth addrgenmode eui64')
    await type(built, 'client', 'ip link set eth0 mtu 1279')
    expect(await type(built, 'client', 'ip -d link show eth0')).toContain('veth numtxqueues')
  })
})

it('a bridge that was made with a MAC has no carrier before it has a port', async () => {
  const built = await build({ ...cluster, pods: [client] })
  expect(await type(built, 'node2', 'ip link show cni0')).toContain('<NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1450')
  expect(await type(built, 'node2', 'ip route show dev cni0')).toContain('src 10.244.2.1 linkdown')
})

it('a frame that br_netfilter kept for ARP comes up to its bridge with the time of its port, unless TCP sent it', async () => {
  const ports = [
    { name: 'dns', protocol: 'UDP' as const, port: 53, targetPort: 5353 },
    { name: 'http', port: 80, targetPort: 8080 },
  ]
  const service = { name: 'echo', clusterIP: '10.96.0.81', ports, endpoints: ['web1'] }
  for (const [line, early] of [
    ['python3 apps.py udpsend 10.96.0.81 53 32 1', true],
    ['curl -s http://10.96.0.81/', false],
  ] as const) {
    const built = await build({ ...cluster, services: [service] })
    serve(built, 'web1', 'python3 apps.py udpecho 5353')
    serve(built, 'web1', 'python3 apps.py http 8080 web1')
    await type(built, 'node1', 'ip neigh flush all')
    const cni0 = built.device('node1.cni0')
    if (cni0 === null) throw new Error('no cni0')
    cni0.setPromiscuous(true)
    const capture = new Capture(built.world, DEFAULT_EPOCH)
    capture.attach(cni0, 'cni0', '')
    await type(built, 'client', line)
    let asked = 0
    let came = 0
    capture.each((_captured, time, inbound, bytes, at) => {
      const arp = bytes[at + 13] === 6
      if (arp && !inbound && bytes[at] === 0xff && asked === 0) asked = time
      if (!arp && inbound && came === 0) came = time
    })
    expect(asked).toBeGreaterThan(0)
    expect(came).toBeGreaterThan(0)
    expect(came < asked).toBe(early)
    await built.runner.runFor(40 * SECOND)
    expect(built.world.frames.inUse).toBe(0)
  }
})

describe('sysctls', () => {
  it('ip_default_ttl is in every packet of ours', async () => {
    const built = await build({
      ...cluster,
      pods: [{ ...client, sysctl: { 'net.ipv4.ip_default_ttl': 128, 'net.ipv4.tcp_timestamps': 0 } }, web1],
    })
    serve(built, 'web1', 'python3 apps.py http 8080 web1')
    const seen = watch(built, 'web1.eth0')
    await type(built, 'client', 'curl -s http://10.244.1.3:8080/')
    await type(built, 'client', 'ping -c 1 10.244.1.3')
    await type(built, 'client', 'busybox ping -c 1 10.244.1.3')
    // SACK permitted stands before the window scale, with or without timestamps.
    expect(seen.find((line) => line.includes('Flags [S]'))).toContain('options [mss 1410,nop,nop,sackOK,nop,wscale 7]')
    expect(await type(built, 'web1', 'ping -c 1 10.244.1.2')).toContain('ttl=128')
  })

  it('ip_no_pmtu_disc takes DF away', async () => {
    const built = await build({ ...cluster, pods: [{ ...client, sysctl: { 'net.ipv4.ip_no_pmtu_disc': 1 } }, web1] })
    const fragments: number[] = []
    const eth0 = built.device('client.eth0')
    if (eth0 !== null) {
      eth0.tap = ({ bytes, start }, _by, direction) => {
        if (direction === 'out' && bytes[start + 13] === 0) fragments.push(bytes[start + 20] & 0x40)
      }
    }
    serve(built, 'web1', 'python3 apps.py http 8080 web1')
    await type(built, 'client', 'curl -s http://10.244.1.3:8080/')
    await type(built, 'client', 'python3 apps.py udpsend 10.244.1.3 9 32 1 0 0.1')
    await type(built, 'client', 'ping -c 1 10.244.1.3')
    expect(fragments.length).toBeGreaterThan(5)
    expect(new Set(fragments)).toEqual(new Set([0]))
    await type(built, 'client', 'ping -c 1 -M want 10.244.1.3')
    expect(fragments.at(-1)).toBe(0x40)
  })
})

describe('commands', () => {
  it('ping says why the route refuses', async () => {
    const routes = ['prohibit 10.98.0.0/16', 'blackhole 10.97.0.0/16', 'unreachable 10.99.0.0/16']
    const built = await build({ ...cluster, hosts: [{ ...ext, routes }] })
    expect(await type(built, 'ext', 'ping -c 1 10.98.0.1')).toBe(
      'ping: Do you want to ping broadcast? Then -b. If not, check your local firewall rules\n',
    )
    expect(await type(built, 'ext', 'ping -c 1 10.97.0.1')).toBe('ping: connect: Invalid argument\n')
    expect(await type(built, 'ext', 'ping -c 1 10.99.0.1')).toBe('ping: connect: No route to host\n')
    expect(await type(built, 'ext', 'ping -c 1 10.1.0.1')).toBe('ping: connect: Network is unreachable\n')
  })

  it('nc tries each of its ports, and listens to one UDP peer', async () => {
    const built = await build(cluster)
    serve(built, 'web2', 'python3 apps.py http 8080 web2')
    expect(await type(built, 'client', 'nc -vz -w 1 10.244.2.2 8080 8081')).toBe(
      'Connection to 10.244.2.2 8080 port [tcp/http-alt] succeeded!\n' +
        'nc: connect to 10.244.2.2 port 8081 (tcp) failed: Connection refused\n',
    )
    serve(built, 'web1', 'nc -u -l -p 9200')
    await type(built, 'client', 'echo hi | nc -u -w 1 -p 9201 10.244.1.3 9200')
    expect(await type(built, 'web1', 'ss -uan')).toMatch(/ESTAB .*10\.244\.1\.3:9200 +10\.244\.1\.2:9201/)
  })

  it('arping hears its own announcement from a hairpin port, and its own question not', async () => {
    const built = await build(cluster)
    const asked = await type(built, 'client', 'arping -c 1 -U -I eth0 10.244.1.2')
    expect(asked).toContain('Sent 1 probes (1 broadcast(s))\nReceived 0 response(s)\n')
    const told = await type(built, 'client', 'arping -c 1 -A -I eth0 10.244.1.2')
    expect(told).toContain('Broadcast reply from 10.244.1.2 [0A:58:0A:F4:01:02]')
    expect(told).toContain('Received 1 response(s) (1 broadcast(s))\n')
  })

  it('ip addr flush makes the device forget its neighbours', async () => {
    const built = await build(cluster)
    await type(built, 'client', 'ping -c 1 10.244.1.3')
    expect(await type(built, 'client', 'ip neigh')).toContain('10.244.1.3 dev eth0 lladdr')
    await type(built, 'client', 'ip addr flush dev eth0')
    expect(await type(built, 'client', 'ip neigh')).toBe('')
  })
})

describe('conntrack', () => {
  it('does not begin with a nat table in which no rule needs it', async () => {
    const built = await build({ underlay, nodes: [], hosts: [ext, { name: 'user', ip: '192.168.14.100' }] })
    await type(built, 'user', 'iptables -t nat -A OUTPUT -m addrtype --dst-type LOCAL -j RETURN')
    await type(built, 'user', 'ping -c 1 192.168.14.1')
    expect(await type(built, 'user', 'conntrack -L')).toContain('0 flow entries')
    await type(built, 'user', 'iptables -t nat -A POSTROUTING -o none -j MASQUERADE')
    await type(built, 'user', 'ping -c 1 192.168.14.1')
    expect(await type(built, 'user', 'conntrack -L')).toContain('1 flow entries')
  })

  it('calls UDP a stream after two seconds of jiffies, not at two seconds', async () => {
    const built = await build(cluster)
    serve(built, 'web2', 'python3 apps.py udpecho 7000')
    await type(built, 'client', 'python3 apps.py udpsend 10.244.2.2 7000 32 3')
    expect(await type(built, 'node1', 'conntrack -L -p udp --orig-port-dst 7000')).not.toContain('[ASSURED]')
    await type(built, 'client', 'python3 apps.py udpsend 10.244.2.2 7000 32 4 5555')
    expect(await type(built, 'node1', 'conntrack -L -p udp --orig-port-src 5555')).toContain('[ASSURED]')
  })
})

describe('programs', () => {
  it('a probe that failed is closed when the next one has connected', async () => {
    const built = await build(cluster)
    serve(built, 'web1', 'python3 apps.py sinkhold 9000')
    const seen = watch(built, 'web1.eth0')
    const said = await type(built, 'node1', 'python3 apps.py probe 10.244.1.3 9000 2 1')
    expect(said.replace(/1\.\d+ s/g, '1 s')).toBe(
      '1: TimeoutError: timed out after 1 s\n2: TimeoutError: timed out after 1 s\n',
    )
    const flags = seen.filter((line) => line.startsWith('in IP')).map((line) => /Flags \[(.+?)\]/.exec(line)?.[1])
    expect(flags.slice(0, 6)).toEqual(['S', '.', 'P.', 'S', '.', 'F.'])
  })

  it("a server's FIN comes after the ACK of its answer", async () => {
    const built = await build(cluster)
    serve(built, 'web2', 'python3 apps.py http 8080 web2')
    const seen = watch(built, 'web2.eth0')
    await type(built, 'node1', 'python3 apps.py probe 10.244.2.2 8080 1 1')
    const tcp = seen.filter((line) => line.includes('Flags'))
    expect(tcp.map((line) => `${line.split(' ')[0]} ${/Flags \[(.+?)\]/.exec(line)?.[1]}`)).toEqual([
      'in S',
      'out S.',
      'in .',
      'in P.',
      'out .',
      'out P.',
      'in .',
      'out F.',
      'in F.',
      'out .',
    ])
  })

  it('a pod that comes later speaks of itself whenever its link goes up', async () => {
    const built = await build({ ...cluster, pods: [client, { ...web1, later: true }] })
    const seen = watch(built, 'node1.veth977588a8')
    built.startPod('web1')
    await built.runner.runFor(SECOND)
    await type(built, 'web1', 'ip link set eth0 down; sleep 1; ip link set eth0 up')
    await built.runner.runFor(SECOND)
    const own = 'in ARP, Request who-has 10.244.1.3 tell 10.244.1.3'
    expect(seen.filter((line) => line.startsWith(own))).toHaveLength(2)
  })
})
