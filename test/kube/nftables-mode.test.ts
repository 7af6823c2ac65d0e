/** A cluster whose kube-proxy is in nftables mode: what its users see, and what its nodes list. */
import { describe, expect, it } from 'vitest'
import { nft } from '../../src/host/commands/nft.ts'
import { ping } from '../../src/host/commands/ping.ts'
import type { ConfigMap, Service } from '../../src/kube/objects.ts'
import { deployment, type Lab, lab, service } from './fixture.ts'

const W1 = 'w1.example.com'

async function nftLab(): Promise<Lab> {
  const made = await lab({ kubeProxy: { mode: 'nftables' } })
  for (const { place } of made.machines.values()) {
    place.programs.set('nft', nft)
    place.programs.set('ping', ping)
  }
  return made
}

async function listed(made: Lab, ...what: string[]): Promise<string> {
  return (await made.on(W1, 'nft', 'list', ...what)).output
}

describe("kube-proxy's nftables mode in a cluster", () => {
  it('leads to Services, and says no as the real rules do', async () => {
    const made = await nftLab()
    made.cluster.apply([
      deployment('web', 'nginx'),
      service('web', 80, { type: 'NodePort', ports: [{ port: 80, targetPort: 80, nodePort: 30080 }] }),
    ])
    const [pod] = await made.readyPods('app=web', 1)
    await made.run(3)
    const { clusterIP } = made.cluster.store.get<Service>('Service', 'default', 'web')?.spec ?? {}
    const answer = { code: 0, output: `I am ${pod.metadata.name}\n` }
    expect(await made.on(W1, 'get', `${clusterIP}:80`)).toEqual(answer)
    expect(await made.on(W1, 'get', '192.168.14.51:30080')).toEqual(answer)
    expect(await made.on('m.example.com', 'get', '192.168.14.51:30080')).toEqual(answer)
    // Node ports are not served at the loopback; nothing else listens there either.
    expect((await made.on(W1, 'get', '127.0.0.1:30080')).output).toContain('Connection refused')
    expect((await made.on(W1, 'get', `${clusterIP}:81`)).output).toContain('Connection refused')
    const pinged = await made.on(W1, 'ping', '-c', '1', '-W', '1', clusterIP as string)
    expect(pinged.output).toContain('Destination Port Unreachable')
    const { data } = made.cluster.store.get<ConfigMap>('ConfigMap', 'kube-system', 'kube-proxy') ?? {}
    expect(data?.['config.conf']).toContain('\nmode: "nftables"\n')
    expect(made.machines.get(W1)?.netns.sysctl.get('net.ipv4.conf.all.route_localnet')).toBe('0')
    expect(made.machines.get(W1)?.netns.netfilter.save()).not.toContain('KUBE-SERVICES')
    expect(await listed(made, 'map', 'ip', 'kube-proxy', 'service-nodeports')).toContain('tcp . 30080 : goto external-')
  })

  it('follows endpoints; chains that nobody needs are emptied at once and go with a later sync', async () => {
    const made = await nftLab()
    made.cluster.apply([deployment('web', 'nginx'), service('web', 80)])
    const [pod] = await made.readyPods('app=web', 1)
    await made.run(3)
    const chain = `default/web/tcp/__${pod.status.podIP}/80`
    expect(await listed(made, 'table', 'ip', 'kube-proxy')).toContain(`dnat to ${pod.status.podIP}:80`)
    made.cluster.store.delete('Deployment', 'default', 'web')
    await made.run(40)
    const after = await listed(made, 'table', 'ip', 'kube-proxy')
    expect(after).toContain('comment "default/web" : goto reject-chain')
    expect(after).not.toContain('dnat to 10.244.1.')
    made.cluster.apply([service('other', 80)])
    await made.run(3)
    expect(await listed(made, 'table', 'ip', 'kube-proxy')).not.toContain(chain)
  })

  it('makes its table anew when somebody took it away', async () => {
    const made = await nftLab()
    const before = await listed(made, 'ruleset')
    await made.on(W1, 'nft', 'delete', 'table', 'ip', 'kube-proxy')
    expect(await listed(made, 'ruleset')).not.toContain('table ip kube-proxy')
    made.cluster.apply([service('other', 80)])
    await made.run(3)
    const after = await listed(made, 'ruleset')
    expect(after.split('\n').length).toBeGreaterThan(before.split('\n').length)
    expect(after).toContain('chain nat-prerouting')
  })
})
