/** A node of the cluster: a machine with kubelet, container runtime, network plug-in and kube-proxy. */
import { crictl } from '../host/commands/crictl.ts'
import type { Machine } from '../host/machine.ts'
import type { NetDevice } from '../link/device.ts'
import { formatIpv4, type Ipv4, type Mac, parseCidr, parseIpv4 } from '../wire/address.ts'
import { BridgePlugin } from './cni/bridge.ts'
import { Flannel, type FlannelBackend } from './cni/flannel.ts'
import type { CniNode } from './cni/plugin.ts'
import { PortMap } from './cni/portmap.ts'
import { fullReference } from './image-reference.ts'
import { PlanError } from './ipam.ts'
import { Kubelet } from './kubelet.ts'
import { KUBELET_WATCH } from './latency.ts'
import { CONDITIONS, nodeObject, nodeStatus } from './node-object.ts'
import type { Node } from './objects.ts'
import type { DnsSettings } from './pod-environment.ts'
import { KubeRouter } from './policy/kube-router.ts'
import type { PolicyAction } from './policy/rules.ts'
import { KubeProxy } from './proxy.ts'
import type { ProxyModeName, ProxyModeOptions } from './proxy-mode.ts'
import { ensureKubeletRules, flannelRules } from './proxy-rules.ts'
import { ContainerRuntime, type ImageSource } from './runtime.ts'
import type { ServiceSelection } from './service-selection.ts'
import type { Store } from './store.ts'
import { IMAGES } from './system-objects.ts'

export interface KubeNodeOptions {
  readonly machine: Machine
  readonly ip: string
  readonly controlPlane: boolean
  /** Keep workloads away. */
  readonly tainted: boolean
  readonly podCIDR: string
  readonly clusterCIDR: string
  readonly serviceCIDR: string
  readonly proxyMode: ProxyModeName
  readonly proxy?: Pick<ProxyModeOptions, 'nodePortAddresses' | 'localhostNodePorts' | 'ipvs'>
  readonly backend: FlannelBackend
  readonly policyAction?: PolicyAction
  readonly dns: DnsSettings
  readonly labels?: Readonly<Record<string, string>>
  readonly images: ImageSource
  /** Of flannel.1; drawn by the node unless it is given. */
  readonly vtepMac?: Mac
  /** It belongs to a fleet: it has been there since before the world began. */
  readonly standing?: boolean
  /** The Services that it may leave out until somebody asks for them. */
  readonly selection?: ServiceSelection
}

export class KubeNode {
  readonly name: string
  readonly ip: string
  readonly podCIDR: string
  readonly controlPlane: boolean
  readonly machine: Machine
  readonly runtime: ContainerRuntime
  readonly kubelet: Kubelet
  readonly proxy: KubeProxy
  /** Works only when its pod runs. */
  readonly router: KubeRouter
  readonly cni: BridgePlugin
  readonly flannel: Flannel
  /** The device with the node's address. */
  readonly underlay: NetDevice
  readonly #options: KubeNodeOptions
  readonly #store: Store

  constructor(store: Store, options: KubeNodeOptions) {
    const { machine, ip, podCIDR, clusterCIDR } = options
    const address = parseIpv4(ip)
    this.#options = options
    this.#store = store
    this.name = machine.name
    this.ip = ip
    this.podCIDR = podCIDR
    this.controlPlane = options.controlPlane
    this.machine = machine
    const underlay = deviceWith(machine, address)
    this.underlay = underlay
    const clusterCidr = parseCidr(clusterCIDR)
    const cniNode: CniNode = {
      name: this.name,
      netns: machine.netns,
      podCidr: parseCidr(podCIDR),
      internalIp: address,
      underlay,
    }
    const { vtepMac } = options
    this.flannel = new Flannel(cniNode, {
      clusterCidr,
      backend: options.backend,
      ...(vtepMac === undefined ? {} : { vtepMac }),
    })
    this.cni = new BridgePlugin(cniNode, { clusterCidr, mtu: this.flannel.mtu })
    this.runtime = new ContainerRuntime(
      machine,
      this.cni,
      new PortMap(machine.netns, 'cni0'),
      options.images,
      store.clock,
    )
    this.kubelet = new Kubelet(store, this.runtime, { node: this.name, hostIp: ip, dns: options.dns })
    this.proxy = new KubeProxy(store, machine, {
      mode: options.proxyMode,
      node: this.name,
      nodeIP: ip,
      clusterCIDR,
      serviceCIDR: options.serviceCIDR,
      ...options.proxy,
      ...(options.selection === undefined ? {} : { selection: options.selection }),
    })
    this.router = new KubeRouter(store, machine, this.name, options.policyAction ?? 'drop')
  }

  /** The node installs itself, and tells the API of it. */
  join(): Node {
    this.#install()
    const { controlPlane, tainted, labels } = this.#options
    const { name, podCIDR, flannel } = this
    const object = nodeObject({ name, podCIDR, controlPlane, tainted, labels, lease: flannel.annotations() })
    const node = this.#store.create(object)
    const id = this.machine.world.random.hex(32)
    this.#store.updateStatus('Node', null, name, nodeStatus(name, this.ip, this.#store.clock.text(), id))
    return node
  }

  /** The node has been in the cluster for long: all is as `join` left it. */
  resume(): void {
    this.#install()
    this.cni.ensureBridge()
  }

  /** Sysctls, devices, rules, files. */
  #install(): void {
    const { machine, flannel, runtime } = this
    machine.netns.sysctl.set('net.ipv4.ip_forward', '1')
    machine.netns.sysctl.set('net.bridge.bridge-nf-call-iptables', '1')
    flannel.start()
    const { clusterCIDR } = this.#options
    this.#guardRules()
    machine.netns.netfilter.restore(flannelRules({ clusterCIDR, podCIDR: this.podCIDR }), { noflush: true })
    machine.place.files.set('/run/flannel/subnet.env', flannel.environment())
    machine.place.files.set('/etc/cni/net.d/10-flannel.conflist', CONFLIST)
    machine.place.programs.set('crictl', crictl(runtime))
    for (const image of IMAGES) runtime.images.add(fullReference(image))
  }

  /** The kubelet's rules: written once, and again when a look after a minute finds them gone. */
  #guardRules(): void {
    const { netns, world } = this.machine
    if (this.kubelet.alive) ensureKubeletRules(netns)
    // A kubelet that began long ago looks at the same moments as one that is made when it is needed.
    const since = this.#options.standing === true ? world.scheduler.now % KUBELET_WATCH : 0
    world.scheduler.call(KUBELET_WATCH - since, () => this.#guardRules())
  }

  /** The kubelet posts its status: the node is well. */
  reportReady(): void {
    const node = this.#store.get<Node>('Node', null, this.name)
    if (node === null) return
    const now = this.#store.clock.text()
    const conditions = CONDITIONS.map((condition) => {
      const before = node.status.conditions?.find((old) => old.type === condition.type)
      const since = before?.status === condition.status ? (before.lastTransitionTime ?? now) : now
      return { ...condition, lastHeartbeatTime: now, lastTransitionTime: since }
    })
    this.#store.updateStatus('Node', null, this.name, { ...node.status, conditions })
  }
}

function deviceWith(machine: Machine, address: Ipv4): NetDevice {
  for (const device of machine.netns.devices.values()) {
    if (machine.netns.addressesOf(device).some((own) => own.address === address)) return device
  }
  throw new PlanError(`node ${machine.name} has no device with the address ${formatIpv4(address)}`)
}

const CONFLIST = `{
  "name": "cbr0",
  "cniVersion": "0.3.1",
  "plugins": [
    {
      "type": "flannel",
      "delegate": {
        "hairpinMode": true,
        "isDefaultGateway": true
      }
    },
    {
      "type": "portmap",
      "capabilities": {
        "portMappings": true
      }
    }
  ]
}
`
