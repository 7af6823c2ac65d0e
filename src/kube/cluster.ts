/**
 * A Kubernetes cluster on machines that are there already: API store, controllers, scheduler, and on each node
 * kubelet, kube-proxy and flannel. Everything reacts to the store, a little later, on the world's clock.
 *
 *   kubectl ─▶ Store ─▶ controllers ─▶ Store ─▶ PodScheduler ─▶ Store ─▶ Kubelet ─▶ sandbox, containers
 *                 └───▶ KubeProxy ─▶ iptables                       └─▶ CNI: veth, cni0, flannel.1
 */

import type { Machine } from '../host/machine.ts'
import type { Io } from '../host/process.ts'
import type { Runner } from '../host/run.ts'
import type { RemoteCommand } from '../host/ssh.ts'
import type { World } from '../link/world.ts'
import { MILLISECOND, type Nanos, SECOND } from '../sim/scheduler.ts'
import { formatIpv4, nth, parseCidr } from '../wire/address.ts'
import { type Applied, applyOne } from './apply.ts'
import { type LoadBalancer, type LoadBalancerOptions, startLoadBalancer } from './balancer/start.ts'
import { type FlannelBackend, peerOf } from './cni/flannel.ts'
import { NodeLifecycleController } from './controllers/node-lifecycle.ts'
import { type Controllers, startControllers } from './controllers/start.ts'
import { coreDns } from './coredns/coredns.ts'
import { storeRecords } from './coredns/records.ts'
import { Fleet, type FleetOptions } from './fleet/fleet.ts'
import type { Member } from './fleet/member.ts'
import { checkDisjoint, PlanError, PodCidrs, parsePortRange, ServiceAddresses } from './ipam.ts'
import { keep } from './keep.ts'
import type { KubectlCluster } from './kubectl/api.ts'
import { JOIN } from './latency.ts'
import { LazyMap } from './lazy-map.ts'
import { parseManifests } from './manifest.ts'
import { KubeNode, type KubeNodeOptions } from './node.ts'
import { NodeContact, type Silence } from './node-contact.ts'
import { nodeLocalObjects } from './nodelocal.ts'
import type { KubeObject, Node, Pod } from './objects.ts'
import { isReady } from './ownership.ts'
import type { PodSandbox } from './pod.ts'
import { kubeRouter, type NetworkPolicyOptions } from './policy/kube-router.ts'
import { noteUnenforced } from './policy/unenforced.ts'
import { kubeProxy } from './proxy.ts'
import { proxyConfigMap } from './proxy-config.ts'
import type { ProxyModeName, ProxyModeOptions } from './proxy-mode.ts'
import { type LogOptions, Remote } from './remote.ts'
import type { ImageSource } from './runtime.ts'
import { ServiceAllocator } from './service-allocator.ts'
import { ServiceSelection, StandingServices } from './service-selection.ts'
import { Store } from './store.ts'
import { SystemImages } from './system-images.ts'
import {
  apiService,
  coreDnsConfigMap,
  coreDnsDeployment,
  daemonSets,
  defaultCorefile,
  dnsService,
  kubeRouterSet,
  namespaces,
  staticPods,
  VERSION,
} from './system-objects.ts'
import { systemctl } from './systemctl.ts'

export type { Applied } from './apply.ts'

export interface ClusterMachine {
  /** Has its underlay device and address already; its name is the node's. */
  readonly machine: Machine
  readonly ip: string
  readonly controlPlane?: boolean
  /** The node's part of the pod network; the next free one unless it is given. */
  readonly podCIDR?: string
  /** Keep workloads off a control-plane node; true when there are workers. */
  readonly tainted?: boolean
  readonly labels?: Readonly<Record<string, string>>
}

export interface ClusterOptions {
  readonly world: World
  readonly runner: Runner
  readonly catalogue: ImageSource
  readonly machines: readonly ClusterMachine[]
  /** Seconds from 1970 to the world's beginning; the runner's unless it is given. */
  readonly epochSeconds?: number
  readonly name?: string
  readonly podCIDR?: string
  readonly serviceCIDR?: string
  readonly cni?: { readonly name?: 'flannel'; readonly backend?: FlannelBackend }
  readonly kubeProxy?: { readonly mode?: ProxyModeName } & Pick<
    ProxyModeOptions,
    'nodePortAddresses' | 'localhostNodePorts' | 'ipvs'
  >
  /** What enforces NetworkPolicies; nobody, as with flannel alone, unless it is said. */
  readonly networkPolicy?: NetworkPolicyOptions | undefined
  /** --service-node-port-range: `30000-32767`. */
  readonly nodePorts?: string
  /** What gives Services of type LoadBalancer their addresses; nobody unless it is said. */
  readonly loadBalancer?: LoadBalancerOptions | undefined
  /** Nodes that have been there since before, added by `addFleet`. */
  readonly fleet?: FleetOptions | undefined
  readonly dns?: {
    readonly service?: string
    readonly domain?: string
    /** Names outside the cluster, and their addresses. */
    readonly upstream?: Readonly<Record<string, string | readonly string[]>>
    /** CoreDNS's configuration; kubeadm's unless it is given. */
    readonly corefile?: string | undefined
    /** NodeLocal DNSCache on every node. */
    readonly nodeLocal?: boolean
  }
}

/** What one node has of its own. */
type OwnOptions = Pick<
  KubeNodeOptions,
  'machine' | 'ip' | 'controlPlane' | 'tainted' | 'podCIDR' | 'labels' | 'vtepMac' | 'standing'
>

const SERVICES = '10.96.0.0/12'

export class Cluster {
  readonly name: string
  readonly world: World
  readonly runner: Runner
  readonly store: Store
  readonly catalogue: ImageSource
  readonly nodes = new LazyMap<string, KubeNode>()
  readonly remote: Remote
  readonly #contact: NodeContact
  readonly #controllers: Controllers
  readonly #backend: FlannelBackend
  /** Services whose rules may wait, and nodes that have been there for long; there are none without a fleet. */
  readonly #standing: StandingServices | null
  #fleet: Fleet | null = null
  readonly #controlPlane: readonly KubeNode[]
  readonly #cidrs: PodCidrs
  #makeNode: (own: OwnOptions) => KubeNode = () => {
    throw new Error('podwire bug: a node before the cluster')
  }
  readonly #nodeLocal: readonly KubeObject[] | null
  /** Is there somebody for NetworkPolicies? */
  readonly #enforced: boolean
  #balancer: LoadBalancer | null = null

  /** @throws PlanError when addresses do not fit. */
  constructor(options: ClusterOptions) {
    const { world, runner, catalogue } = options
    const epoch = options.epochSeconds ?? runner.epochSeconds
    this.name = options.name ?? 'kubernetes'
    this.world = world
    this.runner = runner
    this.catalogue = catalogue
    this.store = new Store(() => world.scheduler.now, world.random, epoch)
    const { podCIDR = '10.244.0.0/16', serviceCIDR = SERVICES } = options
    checkDisjoint([
      { what: 'podCIDR', cidr: podCIDR },
      { what: 'serviceCIDR', cidr: serviceCIDR },
    ])
    const addresses = new ServiceAddresses(serviceCIDR, world.random)
    new ServiceAllocator(this.store, addresses, world.random, parsePortRange(options.nodePorts))
    this.#controllers = startControllers(this.store, world.scheduler)
    const lifecycle = new NodeLifecycleController(this.store, world.scheduler)
    this.#contact = new NodeContact(this.nodes, lifecycle, world.scheduler)
    const dns = { address: options.dns?.service ?? '10.96.0.10', domain: options.dns?.domain ?? 'cluster.local' }
    this.#enforced = options.networkPolicy !== undefined
    this.#nodeLocal = options.dns?.nodeLocal === true ? nodeLocalObjects(dns.address, dns.domain) : null
    this.#cidrs = new PodCidrs(podCIDR)
    this.#backend = options.cni?.backend ?? 'vxlan'
    this.#standing = options.fleet === undefined ? null : new StandingServices()
    this.#controlPlane = this.#makeNodes(options, podCIDR, dns)
    this.remote = new Remote(this.store, this.nodes)
    this.store.listen('Node', ({ type, object }) => this.#nodeChanged(type, object))
    const { loadBalancer } = options
    if (loadBalancer !== undefined) {
      this.#balancer = startLoadBalancer(this.store, world.scheduler, loadBalancer, this.nodes)
    }
    this.#boot(serviceCIDR, dns.address, options.dns?.corefile ?? defaultCorefile(dns.domain))
    this.store.create(proxyConfigMap({ ...options.kubeProxy, clusterCIDR: podCIDR }))
    if (this.#enforced) this.store.create(kubeRouterSet())
    else noteUnenforced(this.store)
  }

  /** Runs the world until everything that came with the cluster is ready. */
  async ready(): Promise<void> {
    const settled = () => {
      const pods = this.store.list<Pod>('Pod')
      return (
        this.store.list('Node').length === this.nodes.size && pods.length >= this.#systemPods && pods.every(isReady)
      )
    }
    if (!(await this.until(settled, 120 * SECOND))) throw new Error('podwire bug: the cluster does not become ready')
  }

  /** Runs the world until this holds, at most for the time given. Says whether it held. */
  async until(condition: () => boolean, most: Nanos): Promise<boolean> {
    const end = this.world.scheduler.now + most
    while (!condition()) {
      if (this.world.scheduler.now >= end) return false
      await this.runner.runFor(10 * MILLISECOND)
    }
    return true
  }

  /**
   * A fleet for the cluster, which must be ready; `populate` lets it join. Its machines are made by `machineOf` when they are
   * needed. @throws PlanError
   */
  addFleet(options: FleetOptions, machineOf: (name: string) => Machine): Fleet {
    const standing = this.#standing
    if (standing === null || this.#fleet !== null)
      throw new PlanError('a cluster has one fleet, of which it knows from the start')
    const makeNode = ({ ip, podCIDR, peer }: Member, machine: Machine) =>
      this.#makeNode({
        machine,
        ip,
        podCIDR,
        controlPlane: false,
        tainted: false,
        standing: true,
        ...(peer.vtepMac === null ? {} : { vtepMac: peer.vtepMac }),
      })
    const { store, world, nodes } = this
    const [cidrs, backend, controllers] = [this.#cidrs, this.#backend, this.#controllers]
    const host = {
      store,
      world,
      nodes,
      cidrs,
      backend,
      controllers,
      services: standing,
      images: this.catalogue,
      makeNode,
    }
    this.#fleet = new Fleet(host, options, machineOf)
    return this.#fleet
  }

  /** `kubectl apply`, in order. @throws ApiError */
  apply(objects: readonly KubeObject[]): Applied[] {
    return objects.map((object) => applyOne(this.store, object))
  }

  /** Runs a command in a container; the first one when `container` is null. @throws ApiError */
  exec(namespace: string, pod: string, container: string | null, argv: readonly string[], io: Io): RemoteCommand {
    return this.remote.exec(namespace, pod, container, argv, io)
  }

  /** What a container wrote. @throws ApiError */
  logs(namespace: string, pod: string, container: string | null = null, options: LogOptions = {}): string {
    return this.remote.logs(namespace, pod, container, options)
  }

  /** The pod's sandbox, with its network namespace; null while it has none. @throws ApiError NotFound */
  sandbox(namespace: string, pod: string): PodSandbox | null {
    return this.remote.sandbox(namespace, pod)
  }

  /** Nobody hears of the node's kubelet, or does again; the control plane notices after a while. Its network goes on. */
  silence(name: string, cause: Silence, silent: boolean): void {
    this.#contact.set(name, cause, silent)
  }

  /** What kubectl needs. */
  kubectl(): KubectlCluster {
    const { store } = this
    const remote = this.remote
    return {
      name: this.name,
      server: `https://${this.#controlPlane[0].ip}:6443`,
      version: VERSION,
      clock: () => store.clock.epochSeconds * 1000 + this.world.scheduler.now / 1e6,
      get: (kind, namespace, name) => store.get(kind, namespace, name),
      list: (kind, namespace) => store.list(kind, namespace),
      create: (object) => store.create(object),
      update: (object) => store.update(object),
      patch: (kind, namespace, name, type, body, subresource) =>
        subresource === 'status'
          ? store.patchStatus(kind, namespace, name, type, body)
          : store.patch(kind, namespace, name, type, body),
      delete: (kind, namespace, name, options) => store.delete(kind, namespace, name, options),
      watch: (kind, listener) => store.listen(kind, listener),
      exec: (namespace, pod, container, argv, streams) => {
        const io = {
          out: (text: string) => streams.out(text),
          err: (text: string) => streams.err(text),
          tty: streams.tty,
          ...(streams.stdin === null ? {} : { stdin: streams.stdin }),
        }
        const { process, exit } = remote.exec(namespace, pod, container, argv, io)
        return { exit, kill: () => process.kill(2) }
      },
      attach: (namespace, pod, container, streams) => remote.attach(namespace, pod, container, streams),
      logs: (namespace, pod, container, options) => remote.logs(namespace, pod, container, options),
      follow: (namespace, pod, container, write, ended) => remote.follow(namespace, pod, container, write, ended),
      parse: (text, file) => parseManifests(text, file),
    }
  }

  /** Gives the control plane's nodes. */
  #makeNodes(options: ClusterOptions, clusterCIDR: string, dns: { address: string; domain: string }): KubeNode[] {
    const { machines, catalogue } = options
    if (machines.length === 0) throw new PlanError('a cluster needs at least one node')
    const cidrs = this.#cidrs
    const proxy = kubeProxy((machine) => this.nodes.get(machine.name)?.proxy ?? null)
    const records = storeRecords(this.store, options.dns?.upstream ?? {})
    const router = kubeRouter((machine) => this.nodes.get(machine.name)?.router ?? null)
    const system = new SystemImages(coreDns({ records }), proxy, router)
    const found = (reference: string) => system.withCoreDns(catalogue.find(reference))
    const own = (reference: string) => system.find(reference) ?? this.#balancer?.image(reference)
    const images = { find: (reference: string) => own(reference) ?? found(reference) }
    const anyone = machines.some((machine) => machine.controlPlane === true)
    const leads = (machine: ClusterMachine, i: number) => (anyone ? machine.controlPlane === true : i === 0)
    const workers = machines.some((machine, i) => !leads(machine, i))
    const given = new Map(
      machines
        .filter((machine) => machine.podCIDR !== undefined)
        .map((machine) => [machine, cidrs.allocate(machine.machine.name, machine.podCIDR as string)]),
    )
    this.#makeNode = (own) => {
      const standing = this.#standing
      const node = new KubeNode(this.store, {
        ...own,
        clusterCIDR,
        serviceCIDR: options.serviceCIDR ?? SERVICES,
        proxyMode: options.kubeProxy?.mode ?? 'iptables',
        proxy: options.kubeProxy ?? {},
        backend: this.#backend,
        policyAction: options.networkPolicy?.action ?? 'drop',
        dns,
        images,
        ...(standing === null ? {} : { selection: new ServiceSelection(standing) }),
      })
      const { machine, name } = node
      this.nodes.set(name, node)
      const silent = () => this.#contact.has(name, 'kubelet')
      const unit = {
        get alive() {
          return !silent()
        },
        start: () => this.silence(name, 'kubelet', false),
        stop: () => this.silence(name, 'kubelet', true),
      }
      machine.place.programs.set('systemctl', systemctl(unit))
      return node
    }
    machines.forEach((wanted, i) => {
      const { machine, ip, labels } = wanted
      if (this.nodes.has(machine.name)) throw new PlanError(`two nodes are called ${machine.name}`)
      this.#makeNode({
        machine,
        ip,
        controlPlane: leads(wanted, i),
        tainted: leads(wanted, i) && (wanted.tainted ?? workers),
        podCIDR: given.get(wanted) ?? cidrs.allocate(machine.name, null),
        ...(labels === undefined ? {} : { labels }),
      })
    })
    return [...this.nodes.values()].filter((node) => node.controlPlane)
  }

  /** The control plane comes first, and CoreDNS with it; the other nodes join when it stands, as with kubeadm. */
  #boot(serviceCIDR: string, dnsAddress: string, corefile: string): void {
    const { store, world } = this
    for (const namespace of namespaces()) store.create(namespace)
    const first = formatIpv4(nth(parseCidr(serviceCIDR), 1))
    keep(
      store,
      world.scheduler,
      apiService(
        first,
        this.#controlPlane.map((node) => node.ip),
      ),
    )
    store.create(dnsService(dnsAddress))
    store.create(coreDnsConfigMap(corefile))
    if (this.#nodeLocal !== null) for (const object of this.#nodeLocal) store.create(object)
    for (const set of daemonSets()) store.create(set)
    for (const object of this.#balancer?.objects ?? []) store.create(object)
    for (const node of this.#controlPlane) {
      const object = node.join()
      for (const pod of staticPods(object, node.ip)) store.create(pod)
    }
    store.create(coreDnsDeployment())
    // Those of a fleet, which may be there by then, have joined long ago.
    const workers = [...this.nodes.values()].filter((node) => !node.controlPlane)
    world.scheduler.call(JOIN, () => {
      for (const node of workers) node.join()
    })
  }

  /** Pods of a fresh cluster: two CoreDNS, its daemons on each node, four static ones for each control-plane node. */
  get #systemPods(): number {
    const daemons = 2 + (this.#nodeLocal === null ? 0 : 1) + (this.#enforced ? 1 : 0)
    const { size } = this.nodes
    return 2 + daemons * size + 4 * this.#controlPlane.length + (this.#balancer?.pods(size) ?? 0)
  }

  /** Tells every flanneld of the nodes that there are. */
  #nodeChanged(type: string, changed: KubeObject): void {
    if (type === 'DELETED') {
      for (const node of this.nodes.made()) node.flannel.leave(changed.metadata.name)
      return
    }
    const object = this.store.get<Node>('Node', null, changed.metadata.name)
    const peer = object === null ? null : peerOf(object)
    if (peer !== null) for (const node of this.nodes.made()) node.flannel.join(peer)
  }
}
