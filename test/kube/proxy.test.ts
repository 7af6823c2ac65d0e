/** kube-proxy as a program: when it writes its rules, how much of them, and what happens without it. */
import { describe, expect, it } from 'vitest'
import type { Pod } from '../../src/kube/objects.ts'
import { deployment, type Lab, lab, service } from './fixture.ts'

const NODE = 'w1.example.com'

function saved({ machines }: Lab, counters = false): string {
  return machines.get(NODE)?.netns.netfilter.save({ counters }) ?? ''
}

/** The rules that mention a text, without their chain's name. */
function about(made: Lab, text: string, counters = false): string[] {
  return saved(made, counters)
    .split('\n')
    .filter((line) => line.includes('-A') && line.includes(text))
}

function proxyPod({ cluster }: Lab): Pod {
  const here = ({ metadata, spec }: Pod) => metadata.name.startsWith('kube-proxy-') && spec.nodeName === NODE
  const [found] = cluster.store.list<Pod>('Pod', 'kube-system', here)
  return found
}

describe('kube-proxy', () => {
  it('writes two changes as they come, and then one a second', async () => {
    const made = await lab()
    await made.run(3)
    const seen: boolean[] = []
    for (const name of ['one', 'two', 'three', 'four']) {
      made.cluster.apply([service(name, 80)])
      await made.run(0.15)
      seen.push(saved(made).includes(`default/${name} `))
    }
    expect(seen).toEqual([true, true, false, false])
    await made.run(1.1)
    expect(saved(made)).toContain('default/four ')
  })

  it('leaves the chains of other Services alone, and their counters', async () => {
    const made = await lab()
    made.cluster.apply([deployment('web', 'nginx'), service('web', 80)])
    const [pod] = await made.readyPods('app=web', 1)
    await made.run(3)
    const vip = /-d (10\.[\d.]+)\/32 .*default\/web cluster IP/.exec(saved(made))?.[1]
    await made.on(NODE, 'get', `${vip}:80`)
    const counted = () => about(made, `--to-destination ${pod.status.podIP}:80`, true)
    const [before] = counted()
    expect(before).toMatch(/^\[1:60\]/)
    made.cluster.apply([service('other', 80)])
    await made.run(2)
    expect(counted()).toEqual([before])
    // What all share is written anew.
    expect(about(made, 'default/web cluster IP', true)[0]).toMatch(/^\[0:0\] -A KUBE-SERVICES/)
  })

  it('puts everything back when its canary is gone', async () => {
    const made = await lab()
    await made.run(2)
    const before = saved(made)
    const { netfilter } = made.machines.get(NODE)?.netns ?? {}
    netfilter?.iptables(['-t', 'nat', '-F'])
    netfilter?.iptables(['-t', 'nat', '-X', 'KUBE-PROXY-CANARY'])
    await made.run(31)
    const jumps = (text: string) => text.split('\n').filter((line) => line.includes('KUBE-'))
    expect(jumps(saved(made))).toEqual(jumps(before))
  })

  it('and the kubelet put their own back when all is flushed', async () => {
    const made = await lab()
    await made.run(2)
    const { netfilter } = made.machines.get(NODE)?.netns ?? {}
    const kube = () =>
      saved(made)
        .split('\n')
        .filter((line) => /KUBE-|nodeports/.test(line))
    const before = kube()
    for (const table of ['mangle', 'filter', 'nat']) {
      netfilter?.iptables(['-t', table, '-F'])
      netfilter?.iptables(['-t', table, '-X'])
    }
    expect(kube()).toEqual([])
    await made.run(61)
    // KUBE-FIREWALL came last this time, so it stands first.
    expect(kube().sort()).toEqual(before.sort())
    expect(about(made, '-A INPUT')[0]).toBe('-A INPUT -j KUBE-FIREWALL')
  })

  it('follows nothing while its pod is away, and makes it good when it is back', async () => {
    const made = await lab()
    const { store } = made.cluster
    made.cluster.apply([service('gone', 80)])
    await made.run(2)
    const set = store.get('DaemonSet', 'kube-system', 'kube-proxy') as never
    const nowhere = (selector: object) =>
      store.modify(set, (copy: { spec: { template: { spec: { nodeSelector: object } } } }) => {
        copy.spec.template.spec.nodeSelector = selector
      })
    nowhere({ not: 'here' })
    await made.run(3)
    expect(proxyPod(made)).toBeUndefined()
    expect((await made.on('m.example.com', 'get', '192.168.14.51:10256')).output).toContain('refused')
    store.delete('Service', 'default', 'gone')
    made.cluster.apply([deployment('late', 'nginx'), service('late', 80)])
    await made.readyPods('app=late', 1)
    await made.run(3)
    expect(saved(made)).toContain('default/gone ')
    expect(saved(made)).not.toContain('default/late')
    nowhere({})
    await made.run(5)
    expect(saved(made)).not.toContain('default/gone')
    expect(about(made, 'default/late cluster IP')).toHaveLength(2)
    expect(about(made, 'PREROUTING')).toHaveLength(1)
    expect((await made.on('m.example.com', 'get', '192.168.14.51:10256')).output).toContain('404 page not found')
  })
})
