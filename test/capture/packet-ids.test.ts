/** One packet has one number at all its hops, whatever is done to it on its way. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { FilePacket } from '../../src/capture/capture-file.ts'
import { compileFilter } from '../../src/capture/pcap-filter.ts'
import { readCapture } from '../../src/capture/pcapng-reader.ts'
import { openLab, readTopology } from '../../src/cli/open.ts'
import { SECOND } from '../../src/sim/scheduler.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'podwire-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

interface Hop {
  readonly name: string
  readonly packet: FilePacket
}

/** Plays the commands; the answer finds the hops of the frames that a filter takes. */
async function played(text: string, commands: readonly string[]): Promise<(filter: string, on?: RegExp) => Hop[]> {
  const file = join(folder, 'topology.yaml')
  writeFileSync(file, text)
  const lab = await openLab(file, readTopology(file), {}, true)
  let said = ''
  const keep = (more: string) => {
    said += more
  }
  for (const line of commands) expect([await lab.type(line, { out: keep, err: keep }), said]).toEqual([0, said])
  // What the last command left on its way arrives.
  await lab.runner.runFor(SECOND)
  expect(lab.world.frames.inUse).toBe(0)
  const { packets, interfaces } = readCapture(lab.recorder?.capture.pcapng() as Uint8Array)
  const hops = packets.map((packet) => ({ name: String(interfaces[packet.interface].name), packet }))
  return (filter, on = /./) => {
    const takes = compileFilter(filter)
    return hops.filter(({ name, packet: { bytes } }) => on.test(name) && takes(bytes, 0, bytes.length))
  }
}

const ids = (hops: readonly Hop[]) => [...new Set(hops.map(({ packet }) => packet.packetId))]

const hosts = `underlay: {cidr: 10.0.0.0/24}
hosts:
  - {name: a, ip: 10.0.0.1}
  - {name: b, ip: 10.0.0.2}
`

test('fragments have the number of their datagram, at both ends and between', async () => {
  const find = await played(hosts, ['ssh a ping -c 1 -s 4000 10.0.0.2'])
  const request = find('ip src 10.0.0.1')
  // Three pieces on four interfaces.
  expect(request).toHaveLength(12)
  expect(ids(request)).toHaveLength(1)
  const reply = find('ip src 10.0.0.2')
  expect(reply).toHaveLength(12)
  expect(ids(reply)).toHaveLength(1)
  expect(ids(reply)).not.toEqual(ids(request))
})

test('a broadcast and its copies at every port are one packet', async () => {
  const find = await played(`${hosts}  - {name: c, ip: 10.0.0.3}\n`, ['ssh a ping -c 1 10.0.0.2'])
  const asked = find('arp[6:2] == 1 and arp host 10.0.0.2 and ether broadcast')
  expect(asked.map(({ name }) => name)).toContain('c/eth0')
  expect(ids(asked)).toHaveLength(1)
})

test('retransmissions are packets of their own', async () => {
  const find = await played(hosts, ['ssh a nc -w 8 10.0.0.99 80 || true'])
  const asked = find('arp host 10.0.0.99', /^a\/eth0$/)
  expect(asked.length).toBeGreaterThan(1)
  expect(ids(asked)).toHaveLength(asked.length)
})

const cluster = `underlay: {cidr: 192.168.14.0/24}
nodes:
  - {name: m, ip: 192.168.14.50, roles: [control-plane]}
  - {name: w1, ip: 192.168.14.51}
  - {name: w2, ip: 192.168.14.52}
`

const pods = `apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {nodeName: w2, containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {nodeName: w1, containers: [{name: client, image: busybox, command: [sleep, "3600"]}]}
`

test('DNAT, a bridge with br_netfilter, routing and VXLAN keep the number, inside and outside the tunnel', async () => {
  const manifest = join(folder, 'pods.yaml')
  writeFileSync(manifest, pods)
  const find = await played(cluster, [
    `kubectl apply -f ${manifest}`,
    'kubectl wait --for=condition=Ready pod/client pod/web --timeout=60s',
    'kubectl exec client -- wget -qO- http://web',
  ])
  const [syn] = find('tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn and dst port 80', /^default\/client\/eth0$/)
  const hops = find('ip').filter(({ packet }) => packet.packetId === syn.packet.packetId)
  const names = hops.map(({ name }) => name.replace(/veth.*/, 'veth'))
  expect(names).toEqual([
    'default/client/eth0',
    'w1/veth',
    'w1/cni0',
    'w1/flannel.1',
    'w1/eth0',
    'switch/p-w1',
    'switch/p-w2',
    'w2/eth0',
    'w2/flannel.1',
    'w2/cni0',
    'w2/veth',
    'default/web/eth0',
  ])
  const takes = (filter: string) => {
    const test = compileFilter(filter)
    return hops.filter(({ packet: { bytes } }) => test(bytes, 0, bytes.length)).length
  }
  expect([takes('dst net 10.96.0.0/12'), takes('dst net 10.244.0.0/16'), takes('vxlan')]).toEqual([2, 6, 4])
}, 60_000)
