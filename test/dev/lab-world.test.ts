/**
 * Networks as lab.json describes them: what the kinds that few labs have do. Expected frames and texts are a real
 * kernel's on the same lab.
 */
import { describe, expect, it } from 'vitest'
import type { Lab } from '../../src/dev/lab-file.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { printFrame } from '../../src/wire/print.ts'
import { build, serve, type, underlay, watch } from './lab.ts'

const overlay: Lab = {
  underlay,
  nodes: ['dock1', 'dock2'].map((name, i) => ({
    name,
    ip: `192.168.14.2${i}`,
    docker: {
      networks: [
        { name: 'docker_gwbridge', driver: 'bridge', bridge: 'docker_gwbridge', subnet: '172.18.0.0/16' },
        { name: 'ov', driver: 'overlay', subnet: '10.0.1.0/24', vni: 4097 },
      ],
      containers: [{ name: `c${i + 1}`, network: 'ov', ip: `10.0.1.${i + 2}`, gwip: '172.18.0.2' }],
    },
  })),
}

describe("Docker's overlay", () => {
  it('answers ARP at the tunnel, and is one network end to end', async () => {
    const lab = await build(overlay)
    const tunnel = watch(lab, 'dock1-ov.vxlan0')
    const wire = watch(lab, 'dock1.eth0')
    expect(await type(lab, 'c1', 'ping -c 1 10.0.1.3')).toContain('64 bytes from 10.0.1.3: icmp_seq=1 ttl=64')
    expect(tunnel[0]).toMatch(/^out ARP, Request who-has 10\.0\.1\.3 tell 10\.0\.1\.2/)
    expect(tunnel[1]).toMatch(/^in ARP, Reply 10\.0\.1\.3 is-at 02:42:0a:00:01:03/)
    expect(wire.filter((line) => line.includes('.4789: VXLAN'))).toHaveLength(2)
    expect(wire.filter((line) => line.includes('10.0.1.3 tell'))).toHaveLength(0)
  })
})

describe("Docker's macvlan", () => {
  it('puts a container on the LAN; its own host cannot reach it', async () => {
    const lab = await build({
      underlay,
      hosts: [{ name: 'lan', ip: '192.168.14.9' }],
      nodes: [
        {
          name: 'dock1',
          ip: '192.168.14.20',
          docker: {
            networks: [
              { name: 'mv', driver: 'macvlan', subnet: '192.168.14.0/24', parent: 'eth0', gateway: '192.168.14.1' },
            ],
            containers: [{ name: 'c1', network: 'mv', ip: '192.168.14.77' }],
          },
        },
      ],
    })
    expect(await type(lab, 'lan', 'ping -c 1 192.168.14.77')).toContain('ttl=64')
    expect(await type(lab, 'lan', 'ip neigh')).toContain('192.168.14.77 dev eth0 lladdr 02:42:c0:a8:0e:4d')
    expect(await type(lab, 'dock1', 'ping -c 1 192.168.14.77')).toContain('Destination Host Unreachable')
  })
})

const cluster: Lab = {
  underlay,
  hosts: [{ name: 'user', ip: '192.168.14.9' }],
  nodes: [
    { name: 'node1', ip: '192.168.14.11', podCIDR: '10.244.1.0/24' },
    { name: 'node2', ip: '192.168.14.12', podCIDR: '10.244.2.0/24' },
  ],
  pods: [
    { name: 'client', node: 'node1', ip: '10.244.1.2' },
    { name: 'web', node: 'node2', ip: '10.244.2.2', hostPorts: [{ hostPort: 8081, containerPort: 8080 }] },
  ],
}

describe('host ports', () => {
  it("lead to the pod with the client's address kept", async () => {
    const lab = await build(cluster)
    serve(lab, 'web', 'python3 apps.py http 8080 web')
    await lab.runner.runFor(SECOND)
    expect(await type(lab, 'user', 'curl -s http://192.168.14.12:8081/')).toBe('web sees 192.168.14.9\n')
    expect(await type(lab, 'node2', 'iptables -t nat -S CNI-HOSTPORT-DNAT')).toContain('--dports 8081 -j CNI-DN-')
  })
})

describe('policies', () => {
  for (const action of ['DROP', 'REJECT'] as const) {
    it(`${action} what is not allowed`, async () => {
      const policies = [{ pod: 'web', action, allow: [{ from: '192.168.14.9/32', protocol: 'TCP', port: 8080 }] }]
      const lab = await build({ ...cluster, policies })
      serve(lab, 'web', 'python3 apps.py http 8080 web')
      await lab.runner.runFor(SECOND)
      const refused = action === 'DROP' ? 'timed out' : "port 8080 after 0 ms: Couldn't connect to server"
      expect(await type(lab, 'client', 'curl -m 3 http://10.244.2.2:8080/')).toContain(refused)
      expect(await type(lab, 'user', 'curl -s -m 3 http://192.168.14.12:8081/')).toBe('web sees 192.168.14.9\n')
      expect(await type(lab, 'node2', 'curl -s -m 3 http://10.244.2.2:8080/')).toBe('web sees 10.244.2.1\n')
    })
  }
})

describe('a promiscuous cni0', () => {
  const shop: Lab = {
    underlay,
    kubeProxy: { dropInvalid: false },
    nodes: [{ name: 'node1', ip: '192.168.14.11', podCIDR: '10.244.1.0/24' }],
    pods: [
      { name: 'client', node: 'node1', ip: '10.244.1.2' },
      { name: 'web', node: 'node1', ip: '10.244.1.3' },
    ],
    services: [{ name: 'shop', clusterIP: '10.96.0.80', ports: [{ port: 80, targetPort: 8080 }], endpoints: ['web'] }],
  }

  async function segmentsAtWeb(promisc: boolean): Promise<string[]> {
    const lab = await build(shop)
    serve(lab, 'web', 'python3 apps.py http 8080 web')
    if (promisc) await type(lab, 'node1', 'ip link set cni0 promisc on')
    await lab.runner.runFor(SECOND)
    const web = lab.device('web.eth0')
    const seen: string[] = []
    if (web !== null) {
      web.tap = (frame, _device, direction) => {
        const line = printFrame(frame.bytes, frame.start, frame.end, { verbose: 1 })
        if (direction === 'in' && line.includes('proto TCP')) seen.push(/ttl \d+/.exec(line)?.[0] ?? line)
      }
    }
    expect(await type(lab, 'client', 'curl -s http://10.96.0.80/')).toBe('web sees 10.244.1.2\n')
    return seen
  }

  it('routes a second copy of each frame that DNAT sent to a station of the bridge', async () => {
    const plain = await segmentsAtWeb(false)
    expect(new Set(plain)).toEqual(new Set(['ttl 64']))
    const twice = await segmentsAtWeb(true)
    const bridged = twice.filter((ttl) => ttl === 'ttl 64').length
    expect(bridged).toBeGreaterThanOrEqual(plain.length)
    expect(twice.filter((ttl) => ttl === 'ttl 63')).toHaveLength(bridged)
  })

  it('sends no redirect for such a copy: the bridge chose its way already', async () => {
    const lab = await build(shop)
    serve(lab, 'web', 'python3 apps.py http 8080 web')
    await type(lab, 'node1', 'ip link set cni0 promisc on')
    const seen: string[] = []
    const cni0 = lab.device('node1.cni0')
    if (cni0 !== null) cni0.tap = (frame) => void seen.push(printFrame(frame.bytes, frame.start, frame.end))
    expect(await type(lab, 'web', 'curl -s http://10.96.0.80/')).toBe('web sees 10.244.1.1\n')
    expect(seen.filter((line) => line.includes('Flags [S]'))).toHaveLength(3)
    expect(seen.filter((line) => line.includes('redirect'))).toEqual([])
  })
})
