/** How pods end: preStop hooks, SIGTERM, grace, SIGKILL, and what the API shows meanwhile. */
import { describe, expect, it } from 'vitest'
import type { EndpointSlice, KubeEvent, Pod } from '../../src/kube/objects.ts'
import { type Lab, lab, pod, service } from './fixture.ts'

/** A pod with one container of this kind. */
function ending(name: string, container: Record<string, unknown>, more: Record<string, unknown> = {}) {
  return pod(name, 'nginx', { containers: [{ name: 'web', image: 'nginx', ...container }], ...more })
}

function present({ cluster }: Lab, name: string): boolean {
  return cluster.store.get<Pod>('Pod', 'default', name) !== null
}

function told({ cluster }: Lab, name: string): string[] {
  const about = ({ involvedObject }: KubeEvent) => involvedObject.name === name
  return cluster.store.list<KubeEvent>('Event', 'default', about).map((event) => `${event.reason} ${event.message}`)
}

describe('a pod that is deleted', () => {
  it('goes at once when its program dies of SIGTERM, and after the grace when it has no ear for it', async () => {
    const made = await lab()
    made.cluster.apply([pod('web', 'nginx'), pod('deaf', 'busybox', { terminationGracePeriodSeconds: 7 })])
    await made.readyPods('app=web', 1)
    await made.readyPods('app=deaf', 1)
    for (const name of ['web', 'deaf']) made.cluster.store.delete('Pod', 'default', name)
    await made.run(1)
    expect(['web', 'deaf'].map((name) => present(made, name))).toEqual([false, true])
    expect(told(made, 'deaf').at(-1)).toBe('Killing Stopping container web')
    await made.run(5.5)
    expect(present(made, 'deaf')).toBe(true)
    await made.run(1)
    expect(present(made, 'deaf')).toBe(false)
  })

  it('goes at once when nobody waits for it', async () => {
    const made = await lab()
    made.cluster.apply([pod('deaf', 'busybox')])
    await made.readyPods('app=deaf', 1)
    made.cluster.store.delete('Pod', 'default', 'deaf')
    await made.run(1)
    made.cluster.store.delete('Pod', 'default', 'deaf', { gracePeriodSeconds: 0 })
    const sandboxes = () => made.cluster.nodes.get('w1.example.com')?.runtime.sandboxes.size ?? 0
    const before = sandboxes()
    await made.run(0.5)
    expect(present(made, 'deaf')).toBe(false)
    expect(sandboxes()).toBe(before - 1)
  })

  it('runs its hook first, and serves meanwhile', async () => {
    const made = await lab()
    const hook = { lifecycle: { preStop: { sleep: { seconds: 4 } } } }
    made.cluster.apply([ending('web', hook), service('web', 80)])
    await made.readyPods('app=web', 1)
    await made.run(1)
    made.cluster.store.delete('Pod', 'default', 'web')
    await made.run(2)
    const [slice] = made.cluster.store.list<EndpointSlice>('EndpointSlice', 'default', ({ metadata }) =>
      metadata.name.startsWith('web-'),
    )
    expect(slice.endpoints[0].conditions).toEqual({ ready: false, serving: true, terminating: true })
    await made.run(1.5)
    expect(present(made, 'web')).toBe(true)
    await made.run(1)
    expect(present(made, 'web')).toBe(false)
  })

  it('says when a hook fails, and ends none the less; a hook by HTTP comes from the node', async () => {
    const made = await lab()
    made.cluster.apply([
      ending('bad', { lifecycle: { preStop: { exec: { command: ['exit', '3'] } } } }),
      ending('none', { lifecycle: { preStop: { exec: { command: ['missing'] } } } }),
      ending('http', { lifecycle: { preStop: { httpGet: { port: 80, path: '/bye' } } } }),
    ])
    for (const name of ['bad', 'none', 'http']) await made.readyPods(`app=${name}`, 1)
    for (const name of ['bad', 'none', 'http']) made.cluster.store.delete('Pod', 'default', name)
    await made.run(1)
    expect(['bad', 'none', 'http'].map((name) => present(made, name))).toEqual([false, false, false])
    expect(told(made, 'bad').at(-1)).toBe('FailedPreStopHook PreStopHook failed')
    expect(told(made, 'none').at(-1)).toBe('FailedPreStopHook PreStopHook failed')
    expect(told(made, 'http').at(-1)).toBe('Killing Stopping container web')
    expect(made.world.frames.inUse).toBe(0)
  })
})
