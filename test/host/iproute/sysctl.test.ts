import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it, test } from 'vitest'
import { missingFor } from '../../../src/net/sysctl-unused.ts'
import { Node } from './node.ts'

// Texts, defaults and exit codes are those of procps 4.0.2 on Linux 6.18 in a fresh namespace.
describe('sysctl of one device', () => {
  it('writes a dot in a device name as a slash', async () => {
    const node = new Node()
    expect(await node.prints('sysctl net.ipv4.conf.flannel/1.rp_filter')).toBe(
      'net.ipv4.conf.flannel/1.rp_filter = 0\n',
    )
    expect(await node.prints('sysctl -w net/ipv4/conf/flannel.1/rp_filter=0x2')).toBe(
      'net.ipv4.conf.flannel/1.rp_filter = 0x2\n',
    )
    expect(await node.prints('sysctl -n net.ipv4.conf.flannel/1.rp_filter')).toBe('2\n')
    expect(await node.fails('sysctl net.ipv4.conf.flannel.1.rp_filter')).toBe(
      '1 sysctl: cannot stat /proc/sys/net/ipv4/conf/flannel/1/rp_filter: No such file or directory',
    )
    expect(await node.fails('sysctl -w net.ipv4.conf.none.rp_filter=1')).toBe(
      '1 sysctl: cannot stat /proc/sys/net/ipv4/conf/none/rp_filter: No such file or directory',
    )
  })

  it('lists what the kernel has', async () => {
    const node = new Node()
    const text = await node.prints('sysctl -a -r conf.vethpod')
    expect(text.split('\n').length - 1).toBe(33)
    expect(text).toMatch(
      /^net\.ipv4\.conf\.vethpod\.accept_local = 0\nnet\.ipv4\.conf\.vethpod\.accept_redirects = 1\n/,
    )
    expect(await node.prints('sysctl -a -r neigh.lo')).toBe(
      [
        'anycast_delay = 100',
        'app_solicit = 0',
        'base_reachable_time_ms = 30000',
        'delay_first_probe_time = 5',
        'gc_stale_time = 60',
        'interval_probe_time_ms = 5000',
        'locktime = 100',
        'mcast_resolicit = 0',
        'mcast_solicit = 3',
        'proxy_delay = 80',
        'proxy_qlen = 64',
        'retrans_time_ms = 1000',
        'ucast_solicit = 3',
        'unres_qlen = 101',
        'unres_qlen_bytes = 212992',
      ]
        .map((each) => `net.ipv4.neigh.lo.${each}\n`)
        .join(''),
    )
    expect(await node.prints('sysctl -a -r conf.(lo|all).(disable_policy|accept_source_route)')).toBe(
      'net.ipv4.conf.all.accept_source_route = 0\nnet.ipv4.conf.all.disable_policy = 0\n' +
        'net.ipv4.conf.lo.accept_source_route = 1\nnet.ipv4.conf.lo.disable_policy = 1\n',
    )
  })

  it('forwards everywhere at once, and a router stops listening to redirects', async () => {
    const node = new Node()
    const { netns } = node.node
    const eth0 = netns.devices.get('eth0')
    if (eth0 === undefined) throw new Error('no eth0')
    await node.prints('sysctl -w net.ipv4.conf.eth0.forwarding=1')
    expect(netns.inet(eth0).forwarding).toBe(true)
    expect(netns.forwarding).toBe(false)
    expect(await node.prints('sysctl -n net.ipv4.ip_forward net.ipv4.conf.all.forwarding')).toBe('0\n0\n')
    await node.prints('sysctl -w net.ipv4.conf.all.forwarding=1')
    expect(netns.forwarding).toBe(true)
    const names = 'net.ipv4.ip_forward net.ipv4.conf.cni0.forwarding net.ipv4.conf.default.forwarding'
    expect(await node.prints(`sysctl -n ${names}`)).toBe('1\n1\n1\n')
    const redirects = 'net.ipv4.conf.all.accept_redirects net.ipv4.conf.eth0.accept_redirects'
    expect(await node.prints(`sysctl -n ${redirects}`)).toBe('0\n1\n')
    expect(netns.inet(eth0).acceptRedirects).toBe(false)
    await node.prints('sysctl -w net.ipv4.ip_forward=0')
    expect(await node.prints(`sysctl -n ${redirects}`)).toBe('1\n1\n')
    expect(await node.prints('sysctl -n net.ipv4.conf.eth0.forwarding')).toBe('0\n')
  })

  it('follows default until it is configured by hand', async () => {
    const node = new Node()
    await node.prints('ip link add v0 type veth peer name v1')
    await node.prints('sysctl -w net.ipv4.conf.v1.arp_announce=2')
    await node.prints('sysctl -w net.ipv4.conf.default.arp_announce=1')
    await node.prints('sysctl -w net.ipv4.neigh.default.unres_qlen=5')
    const names = ['v0', 'v1', 'eth0', 'all'].map((each) => `net.ipv4.conf.${each}.arp_announce`).join(' ')
    // eth0 has an address, and goes its own way (ipv4_devconf_setall).
    expect(await node.prints(`sysctl -n ${names}`)).toBe('1\n2\n0\n0\n')
    expect(await node.prints('sysctl -n net.ipv4.neigh.v0.unres_qlen_bytes net.ipv4.neigh.eth0.unres_qlen')).toBe(
      '10450\n101\n',
    )
    await node.prints('ip link set v0 name x.9')
    expect(await node.prints('sysctl -n net.ipv4.conf.x/9.arp_announce')).toBe('1\n')
    await node.prints('ip link del x.9')
    expect((await node.run('sysctl net.ipv4.conf.x/9.arp_announce')).code).toBe(1)
  })

  it('refuses the numbers that the kernel refuses', async () => {
    const node = new Node()
    for (const given of [
      'conf.eth0.rp_filter=abc',
      'conf.eth0.rp_filter=99999999999',
      'conf.eth0.rp_filter=',
      'neigh.eth0.mcast_solicit=-2',
      'ip_default_ttl=0',
      'icmp_echo_ignore_all=2',
      'tcp_syn_retries=128',
      'route.min_pmtu=50',
      'ip_local_port_range=5',
      'ipfrag_high_thresh=100',
    ]) {
      const name = given.slice(0, given.indexOf('='))
      expect(await node.fails(`sysctl -w net.ipv4.${given}`)).toBe(
        `1 sysctl: setting key "net.ipv4.${name}": Invalid argument`,
      )
    }
    expect(await node.fails('sysctl -w net.ipv4.conf.eth0.mc_forwarding=1')).toBe(
      '0 sysctl: setting key "net.ipv4.conf.eth0.mc_forwarding": Invalid argument',
    )
    await node.prints('sysctl -w net.ipv4.neigh.eth0.base_reachable_time=20')
    expect(await node.prints('sysctl -n net.ipv4.neigh.eth0.base_reachable_time_ms')).toBe('20000\n')
  })

  it('knows the congestion control algorithms', async () => {
    const node = new Node()
    const [now, all] = ['net.ipv4.tcp_congestion_control', 'net.ipv4.tcp_available_congestion_control']
    expect(await node.prints(`sysctl -n ${now} ${all}`)).toBe('cubic\nreno bbr cubic\n')
    expect(await node.prints(`sysctl -w ${now}=bbr`)).toBe(`${now} = bbr\n`)
    const refused = await node.run(`sysctl -w ${now}=westwood`)
    expect([refused.code, refused.err]).toEqual([1, `sysctl: setting key "${now}": No such file or directory\n`])
    const kept = await node.run(`sysctl -w ${all}=bbr`)
    expect([kept.code, kept.err]).toEqual([0, `sysctl: setting key "${all}": Invalid argument\n`])
    expect(await node.prints(`sysctl -n ${now} ${all}`)).toBe('bbr\nreno bbr cubic\n')
  })

  it('says what a switch waits for, keeps its value, and is silent when nothing changes', async () => {
    const node = new Node()
    const said = await node.run('sysctl -w net.ipv4.conf.eth0.force_igmp_version=2')
    expect(said).toMatchObject({
      code: 0,
      out: 'net.ipv4.conf.eth0.force_igmp_version = 2\n',
      err: 'podwire: net.ipv4.conf.eth0.force_igmp_version is kept, but IGMP is not modelled\n',
    })
    await node.prints('sysctl -w net.ipv4.conf.eth0.force_igmp_version=2')
    await node.prints('sysctl -w net.ipv4.igmp_qrv=2')
    await node.prints('sysctl -w net.ipv4.conf.eth0.tag=7')
  })

  it('drops packets for one host that come in frames for all, if it is told to', async () => {
    const node = new Node()
    await node.prints('ip netns add far')
    await node.prints('ip link add e0 type veth peer name q0 netns far')
    for (const line of ['ip', 'ip -n far']) {
      const [device, last] = line === 'ip' ? ['e0', 1] : ['q0', 2]
      await node.prints(`${line} addr add 10.9.0.${last}/24 dev ${device}`)
      await node.prints(`${line} link set ${device} up`)
    }
    await node.prints('ip -n far neigh add 10.9.0.1 lladdr ff:ff:ff:ff:ff:ff dev q0')
    const far = node.node.namespaces.get('far')
    if (far === undefined) throw new Error('no namespace')
    const answered = async () => {
      const before = far.counters.ipInReceives
      await node.ping(far, '10.9.0.1')
      return far.counters.ipInReceives - before
    }
    expect(await answered()).toBe(1)
    await node.prints('sysctl -w net.ipv4.conf.e0.drop_unicast_in_l2_multicast=1')
    expect(await answered()).toBe(0)
    await node.runner.runFor(10e9)
    expect(node.world.frames.inUse).toBe(0)
  })
})

test('no switch that something reads by its name is said to be without effect', () => {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !/sysctl-(names|unused)\.ts$/.test(file))
    .map((file) => readFileSync(`src/${file}`, 'utf8'))
  const read = new Set(files.flatMap((text) => text.match(/net\.ipv4\.[a-z0-9_]+/g) ?? []))
  expect(read.size).toBeGreaterThan(30)
  expect([...read].filter((name) => missingFor(name) !== null)).toEqual([])
})
