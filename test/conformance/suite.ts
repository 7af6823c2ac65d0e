/**
 * Kubernetes' end-to-end cases about the network, played in a podwire cluster. A section boots one cluster; each case
 * has a namespace of its own in it, makes objects there and asks from inside pods, nodes and the outside with the
 * commands that the real cases run. Names are upstream's, letter for letter (kubernetes/test/e2e/network).
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Cluster } from '../../src/kube/cluster.ts'
import type { KubeObject, Pod, PodSpec, Service } from '../../src/kube/objects.ts'
import { isReady } from '../../src/kube/ownership.ts'
import { MILLISECOND, SECOND } from '../../src/sim/scheduler.ts'
import { Lab } from '../../src/topology/lab.ts'
import { topologySchema } from '../../src/topology/schema.ts'
import { CASES, RUN, type SectionName } from './cases.ts'

export type Mode = 'iptables' | 'ipvs' | 'nftables'

export interface SectionOptions {
  /** kube-proxy's; cases that are played in more modes than iptables are counted once. */
  readonly mode?: Mode
  /** More of the topology's `cluster`. */
  readonly cluster?: Record<string, unknown>
}

export type Test = (name: string, play: (e2e: Namespace) => Promise<void>) => void

/** Everything that a case leaves on its way is over after this: probes, TIME-WAIT and neighbours are not frames. */
const REST = 40

/** Defines a section's cases. All of its list that carry no reason must be there, when it is played as by default. */
export function section(name: SectionName, options: SectionOptions, define: (test: Test) => void) {
  const { mode = 'iptables' } = options
  const list: Readonly<Record<string, string>> = CASES[name]
  const defined = new Set<string>()
  const title = mode === 'iptables' ? name : `${name} (${mode})`
  describe(title, () => {
    let lab: Lab
    let count = 0
    beforeAll(async () => {
      lab = await boot(mode, options.cluster ?? {})
    }, 60_000)
    afterAll(async () => {
      await lab.runner.runFor(REST * SECOND)
      expect(lab.world.frames.inUse).toBe(0)
    })
    define((wanted, play) => {
      if (list[wanted] !== RUN) throw new Error(`${name}: ${wanted} is no case of the list that runs`)
      if (defined.has(wanted)) throw new Error(`${name}: ${wanted} is there twice`)
      defined.add(wanted)
      it(wanted, { timeout: 60_000 }, async () => {
        const e2e = await Namespace.make(lab, mode, `e2e-${++count}`)
        try {
          await play(e2e)
        } finally {
          e2e.leave()
        }
      })
    })
    const missing = Object.keys(list).filter((wanted) => list[wanted] === RUN && !defined.has(wanted))
    if (mode === 'iptables' && missing.length > 0) throw new Error(`${name}: no test for ${missing.join('; ')}`)
  })
}

export const NODES = { w1: '192.168.14.51', w2: '192.168.14.52' } as const
export const CLIENT = '192.168.14.60'

/** A control-plane node and two workers, a client on their network, and a router with somebody behind it. */
export function boot(mode: Mode, cluster: Record<string, unknown>): Promise<Lab> {
  const { kubeProxy, ...more } = cluster
  const topology = topologySchema.parse({
    underlay: {
      cidr: '192.168.14.0/24',
      gateway: '192.168.14.1',
      cable: { delay: '50us' },
      nameservers: ['192.168.14.1'],
    },
    nodes: [
      { name: 'm', ip: '192.168.14.50', roles: ['control-plane'] },
      { name: 'w1', ip: NODES.w1 },
      { name: 'w2', ip: NODES.w2 },
    ],
    hosts: [
      {
        name: 'gateway',
        ip: '192.168.14.1',
        router: true,
        addresses: ['8.8.8.8/32'],
        routes: ['blackhole default'],
        image: AGNHOST,
        dns: { 'google.com': '8.8.8.8', 'dns.google': '8.8.8.8' },
        run: ['agnhost netexec --http-port=80 --udp-port=8081'],
      },
      { name: 'client', ip: CLIENT, image: AGNHOST },
    ],
    cluster: { kubeProxy: { mode, ...(kubeProxy as object | undefined) }, ...more },
  })
  return Lab.build(topology, { readFile: () => null, listFolder: () => null, capture: null })
}

export const AGNHOST = 'registry.k8s.io/e2e-test-images/agnhost:2.53'
export const DNSUTILS = 'registry.k8s.io/e2e-test-images/jessie-dnsutils:1.7'

export interface Said {
  readonly code: number
  readonly output: string
}

/** One case's namespace. */
export class Namespace {
  readonly lab: Lab
  readonly cluster: Cluster
  readonly mode: Mode
  readonly name: string

  private constructor(lab: Lab, mode: Mode, name: string) {
    if (lab.cluster === null) throw new Error('no cluster')
    this.mode = mode
    this.lab = lab
    this.cluster = lab.cluster
    this.name = name
  }

  static async make(lab: Lab, mode: Mode, name: string, labels: Record<string, string> = {}): Promise<Namespace> {
    const made = new Namespace(lab, mode, name)
    made.cluster.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }])
    await made.run(0.1)
    return made
  }

  /** Another namespace in the same cluster, which stays. */
  sibling(name: string, labels: Record<string, string>): Promise<Namespace> {
    return Namespace.make(this.lab, this.mode, name, labels)
  }

  /** Its objects end while others go on. */
  leave(): void {
    const { store } = this.cluster
    for (const pod of this.pods()) store.delete('Pod', this.name, pod.metadata.name, { gracePeriodSeconds: 0 })
    store.delete('Namespace', null, this.name)
  }

  async run(seconds: number): Promise<void> {
    await this.lab.runner.runFor(seconds * SECOND)
  }

  /** Applies objects; those without a namespace come into this one. */
  apply(...objects: KubeObject[]): void {
    this.cluster.apply(objects.map((object) => ({ ...object, metadata: { namespace: this.name, ...object.metadata } })))
  }

  get<T extends KubeObject>(kind: string, name: string): T {
    const found = this.cluster.store.get<T>(kind, this.name, name)
    if (found === null) throw new Error(`there is no ${kind} ${name}`)
    return found
  }

  service(name: string): Service {
    return this.get<Service>('Service', name)
  }

  pods(): Pod[] {
    return this.cluster.store.list<Pod>('Pod', this.name)
  }

  /** Applies pods and waits until they are ready. */
  async start(...pods: KubeObject[]): Promise<Pod[]> {
    this.apply(...pods)
    return this.ready(...pods.map((pod) => pod.metadata.name))
  }

  /** Waits until these pods are ready, and what was told about them is known on all nodes. */
  async ready(...names: string[]): Promise<Pod[]> {
    const found = () => names.map((name) => this.cluster.store.get<Pod>('Pod', this.name, name))
    await this.until(() => found().every((pod) => pod !== null && isReady(pod)), `ready: ${names.join(', ')}`)
    await this.synced()
    return found() as Pod[]
  }

  async gone(kind: string, ...names: string[]): Promise<void> {
    const { store } = this.cluster
    await this.until(
      () => names.every((name) => store.get(kind, this.name, name) === null),
      `${names.join(', ')} to go`,
    )
    await this.synced()
  }

  /** kube-proxy writes its rules once a second at most. */
  synced(): Promise<void> {
    return this.run(2.2)
  }

  async until(condition: () => boolean | Promise<boolean>, what: string, seconds = 60): Promise<void> {
    const { scheduler } = this.lab.world
    const end = scheduler.now + seconds * SECOND
    while (!(await condition())) {
      if (scheduler.now >= end) throw new Error(`waited in vain for ${what}`)
      await this.lab.runner.runFor(50 * MILLISECOND)
    }
  }

  /** `kubectl -n NAMESPACE …`, typed at the workstation. */
  kubectl(line: string): Promise<Said> {
    return this.lab.say(`kubectl -n ${this.name} ${line}`)
  }

  /** A line of the container's shell. */
  exec(pod: string, line: string, container = ''): Promise<Said> {
    const which = container === '' ? '' : ` -c ${container}`
    return this.kubectl(`exec ${pod}${which} -- sh -c '${line.replaceAll("'", `'\\''`)}'`)
  }

  /** A line on a machine: a node, or the client outside. */
  on(machine: string, line: string): Promise<Said> {
    return this.lab.say(`ssh ${machine} '${line.replaceAll("'", `'\\''`)}'`)
  }
}

/** A pod that runs agnhost with these words. */
export function agnhost(name: string, args: readonly string[], spec: Partial<PodSpec> = {}, labels = {}): KubeObject {
  return pod(name, [container(name, args)], spec, labels)
}

/** A pod that waits for somebody to type in it. */
export function execPod(name: string, spec: Partial<PodSpec> = {}): KubeObject {
  return agnhost(name, ['pause'], spec)
}

export function container(name: string, args: readonly string[], more: object = {}) {
  return { name, image: AGNHOST, args: [...args], ...more }
}

export function pod(
  name: string,
  containers: readonly object[],
  spec: object = {},
  labels: Record<string, string> = {},
): KubeObject {
  const grace = { terminationGracePeriodSeconds: 0 }
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels }, spec: { ...grace, containers, ...spec } }
}

export function service(name: string, selector: Record<string, string> | null, ports: readonly object[], spec = {}) {
  const chosen = selector === null ? {} : { selector }
  return { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ...chosen, ports, ...spec } }
}

/** A Deployment of pods that serve as `serve-hostname` does. */
export function deployment(name: string, args: readonly string[], replicas: number, more: object = {}): KubeObject {
  const labels = { name }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { terminationGracePeriodSeconds: 0, containers: [container(name, args)], ...more },
      },
    },
  } as KubeObject
}
