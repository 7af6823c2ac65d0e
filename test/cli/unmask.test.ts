/** `--unmask`: a filter that names one side of NAT takes both. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { compileFilter } from '../../src/capture/pcap-filter.ts'
import { readCapture } from '../../src/capture/pcapng-reader.ts'
import { runCli } from '../../src/cli/podwire.ts'
import { findings } from '../wireshark/dissect.ts'

let folder = ''
let err = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'podwire-'))
  vi.spyOn(process.stdout, 'write').mockImplementation(() => true)
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += String(text)
    return true
  })
})
afterAll(() => {
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true })
})

const pods = `apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {nodeName: w2, containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.99, selector: {app: web}, ports: [{port: 8001, targetPort: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {nodeName: w1, containers: [{name: client, image: busybox, command: [sleep, "3600"]}]}
`

/** How many frames of TCP each interface has in its place, by what they were filtered for. */
async function capture(name: string, options: readonly string[]): Promise<Map<string, number[]>> {
  const file = join(folder, 'topology.yaml')
  writeFileSync(join(folder, 'pods.yaml'), pods)
  writeFileSync(
    file,
    `underlay: {cidr: 192.168.14.0/24}
nodes:
  - {name: m, ip: 192.168.14.50, roles: [control-plane]}
  - {name: w1, ip: 192.168.14.51}
  - {name: w2, ip: 192.168.14.52}
manifests: [${join(folder, 'pods.yaml')}]
steps: [{wait: 10s}, {run: "kubectl exec client -- wget -qO- http://10.96.0.99:8001"}, {run: "ssh w1 ping -c 1 192.168.14.52"}]
`,
  )
  const captures = join(folder, name)
  expect([await runCli(['run', file, '--captures', captures, ...options]), err]).toEqual([0, ''])
  const bytes = new Uint8Array(readFileSync(join(captures, 'all.pcapng')))
  expect(await findings(bytes)).toEqual([])
  const { packets, interfaces } = readCapture(bytes)
  const [service, endpoint] = ['host 10.96.0.99 and port 8001', 'host 10.244.2.2 and port 80'].map((text) =>
    compileFilter(text),
  )
  const counts = new Map<string, number[]>()
  for (const packet of packets) {
    const place = String(interfaces[packet.interface].name).replace(/veth.*/, 'veth')
    const count = counts.get(place) ?? [0, 0, 0]
    const held = (takes: typeof service) => takes(packet.bytes, 0, packet.bytes.length)
    count[held(service) ? 0 : held(endpoint) ? 1 : 2]++
    counts.set(place, count)
  }
  return counts
}

test('a Service is followed behind its DNAT, and an endpoint before it', async () => {
  const plain = await capture('plain', ['--filter', 'tcp and host 10.96.0.99'])
  const [frames] = plain.get('default/client/eth0') as number[]
  expect(frames).toBeGreaterThan(8)
  // The Service's address is to be seen in the pod and at its port of the bridge; what goes up from there has the endpoint's.
  expect([...plain.keys()].sort()).toEqual(['default/client/eth0', 'w1/cni0', 'w1/veth'])
  const unmasked = await capture('unmasked', ['--filter', 'tcp and host 10.96.0.99', '--unmask'])
  expect(unmasked.get('default/client/eth0')).toEqual([frames, 0, 0])
  for (const place of ['w1/flannel.1', 'w2/flannel.1', 'w2/cni0', 'w2/veth', 'default/web/eth0']) {
    expect([place, unmasked.get(place)]).toEqual([place, [0, frames, 0]])
  }
  const cni0 = unmasked.get('w1/cni0') as number[]
  expect(cni0[0] + cni0[1]).toBe(frames)
  // Not the ping, not the tunnel's outside.
  expect(unmasked.has('w1/eth0')).toBe(false)
  const endpoint = await capture('endpoint', ['--filter', 'host 10.244.2.2 and tcp port 80', '--unmask'])
  expect(endpoint).toEqual(unmasked)
  const syn = await capture('syn', ['--filter', 'dst host 10.96.0.99 and tcp[tcpflags] & tcp-syn != 0', '--unmask'])
  expect([...syn.values()].map(([before, behind]) => before + behind)).toEqual([...syn.keys()].map(() => 1))
  expect(syn.get('default/web/eth0')).toEqual([0, 1, 0])
}, 60_000)

test('needs a filter', async () => {
  const file = join(folder, 'none.yaml')
  writeFileSync(file, 'underlay: {cidr: 10.0.0.0/24}\nhosts: [{name: a, ip: 10.0.0.1}]\n')
  expect(await runCli(['run', file, '--captures', join(folder, 'none'), '--unmask'])).toBe(2)
  expect(err).toContain('podwire: --unmask needs --filter, such as "host 10.96.0.10"\n')
})
