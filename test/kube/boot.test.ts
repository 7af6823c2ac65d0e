import { describe, expect, it } from 'vitest'
import type { Pod } from '../../src/kube/objects.ts'
import { lab } from './fixture.ts'

describe('a fresh cluster', () => {
  it('has the pods that a kubeadm cluster with flannel has', async () => {
    const { cluster, world } = await lab()
    const pods = cluster.store.list<Pod>('Pod').map((pod) => `${pod.metadata.namespace}/${pod.metadata.name}`)
    const shapes = pods.map((name) =>
      name.replace(/-[bcdfghjklmnpqrstvwxz2456789]{5}$/, '-X').replace(/coredns-[b-f4-9]+-/, 'coredns-H-'),
    )
    expect(shapes.sort()).toEqual([
      'kube-flannel/kube-flannel-ds-X',
      'kube-flannel/kube-flannel-ds-X',
      'kube-flannel/kube-flannel-ds-X',
      'kube-system/coredns-H-X',
      'kube-system/coredns-H-X',
      'kube-system/etcd-m.example.com',
      'kube-system/kube-apiserver-m.example.com',
      'kube-system/kube-controller-manager-m.example.com',
      'kube-system/kube-proxy-X',
      'kube-system/kube-proxy-X',
      'kube-system/kube-proxy-X',
      'kube-system/kube-scheduler-m.example.com',
    ])
    expect(world.scheduler.now).toBeLessThan(5e9)
    for (const pod of cluster.store.list<Pod>('Pod')) {
      expect(pod.status.phase).toBe('Running')
      if (pod.spec.hostNetwork === true) expect(pod.status.podIP).toBe(pod.status.hostIP)
    }
    expect(world.frames.inUse).toBe(0)
  })
})
