/** Host ports: portmap's rules, its addresses and protocols, and what the scheduler and the API server say to them. */
import { describe, expect, it } from 'vitest'
import type { Pod } from '../../src/kube/objects.ts'
import { type Lab, lab, pod } from './fixture.ts'

const NODE = { nodeName: 'w1.example.com' }

function mapped(name: string, ports: object[], more: Record<string, unknown> = {}) {
  return pod(name, 'nginx', { containers: [{ name: 'web', image: 'nginx', ports }], ...more })
}

function rules({ machines }: Lab): string[] {
  const text = machines.get(NODE.nodeName)?.netns.netfilter.save() ?? ''
  return text.split('\n').filter((line) => line.includes('CNI-'))
}

describe('host ports', () => {
  // e2e: HostPort validates that there is no conflict between pods with same hostPort but different hostIP and protocol
  it('are apart when their addresses or protocols are', async () => {
    const made = await lab()
    const port = { containerPort: 80, hostPort: 54323 }
    made.cluster.apply([
      mapped('one', [{ ...port, hostIP: '127.0.0.1' }], { nodeSelector: { 'kubernetes.io/hostname': NODE.nodeName } }),
      mapped('two', [{ ...port, hostIP: '192.168.14.51' }], {
        nodeSelector: { 'kubernetes.io/hostname': NODE.nodeName },
      }),
      mapped('three', [{ ...port, hostIP: '192.168.14.51', protocol: 'UDP' }], {
        nodeSelector: { 'kubernetes.io/hostname': NODE.nodeName },
      }),
    ])
    for (const name of ['one', 'two', 'three']) await made.readyPods(`app=${name}`, 1)
    expect((await made.on(NODE.nodeName, 'get', '127.0.0.1:54323')).output).toBe('I am one\n')
    expect((await made.on(NODE.nodeName, 'get', '192.168.14.51:54323')).output).toBe('I am two\n')
    expect((await made.on('w2.example.com', 'get', '192.168.14.51:54323')).output).toBe('I am two\n')
    expect(rules(made).filter((rule) => rule.includes('-p udp -m udp --dport 54323 -j DNAT'))).toEqual([
      expect.stringMatching(/^-A CNI-DN-[0-9a-f]{21} -d 192\.168\.14\.51\/32 -p udp -m udp --dport 54323 -j DNAT/),
    ])
    made.cluster.apply([mapped('four', [port], { nodeSelector: { 'kubernetes.io/hostname': NODE.nodeName } })])
    await made.run(1)
    expect(made.cluster.store.get<Pod>('Pod', 'default', 'four')?.status.conditions?.[0]).toMatchObject({
      reason: 'Unschedulable',
      message: expect.stringContaining("1 node(s) didn't have free ports for the requested pod ports"),
    })
  })

  it('share one rule for each protocol and fifteen ports, and go with their pod', async () => {
    const made = await lab()
    const many = Array.from({ length: 17 }, (_, i) => ({ containerPort: 80, hostPort: 9000 + i }))
    made.cluster.apply([mapped('many', [...many, { containerPort: 53, hostPort: 53, protocol: 'UDP' }], NODE)])
    await made.readyPods('app=many', 1)
    const entries = () => rules(made).filter((rule) => rule.startsWith('-A CNI-HOSTPORT-DNAT'))
    const dports = (rule: string) => /-p (\w+) .*--dports (\S+) /.exec(rule)?.slice(1)
    expect(entries().map(dports)).toEqual([
      ['tcp', Array.from({ length: 15 }, (_, i) => 9000 + i).join(',')],
      ['tcp', '9015,9016'],
      ['udp', '53'],
    ])
    made.cluster.store.delete('Pod', 'default', 'many')
    await made.run(2)
    expect(entries()).toEqual([])
    expect(rules(made).some((rule) => rule.includes('CNI-DN-'))).toBe(false)
    expect(rules(made)).toContain('-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT')
  })

  it('are the containers own in the network of the node', async () => {
    const { store } = (await lab()).cluster
    const { spec } = store.create(mapped('net', [{ containerPort: 80 }], { hostNetwork: true })) as Pod
    expect(spec.containers[0].ports).toEqual([{ containerPort: 80, hostPort: 80, protocol: 'TCP' }])
    const wrong =
      (ports: object[], more = {}) =>
      () =>
        store.create(mapped('bad', ports, more))
    expect(wrong([{ containerPort: 80, hostPort: 81 }], { hostNetwork: true })).toThrow(
      'spec.containers[0].ports[0].containerPort: Invalid value: 80: must match `hostPort` when `hostNetwork` is true',
    )
    expect(wrong([{ containerPort: 80, hostPort: 70_000 }])).toThrow('must be between 1 and 65535, inclusive')
    const twice = { containerPort: 80, hostPort: 81 }
    expect(wrong([twice, twice])).toThrow('spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//81"')
  })
})
