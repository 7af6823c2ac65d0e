/** A node of the cluster: a machine with kubelet, container runtime, network plug-in and kube-proxy. */
import { crictl } from '../host/commands/crictl.ts'
import type { Machine } from '../host/machine.ts'
import type { NetDevice } from '../link/device.ts'
import { formatIpv4, type Ipv4, parseCidr, parseIpv4 } from '../wire/address.ts'
import { BridgePlugin } from './cni/bridge.ts'
import { Flannel, type FlannelBackend } from './cni/flannel.ts'
import type { CniNode } from './cni/plugin.ts'
import { PortMap } from './cni/portmap.ts'
import { fullReference } from './image-reference.ts'
import { PlanError } from './ipam.ts'
import { Kubelet } from './kubelet.ts'
import { KUBELET_WATCH } from './latency.ts'
import type { Condition, Node } from './objects.ts'
import type { DnsSettings } from './pod-environment.ts'
import { KubeRouter } from './policy/kube-router.ts'
import type { PolicyAction } from './policy/rules.ts'
import { KubeProxy } from './proxy.ts'
import type { ProxyModeName, ProxyModeOptions } from './proxy-mode.ts'
import { ensureKubeletRules, flannelRules } from './proxy-rules.ts'
import { ContainerRuntime, type ImageSource } from './runtime.ts'
import type { Store } from './store.ts'
import { CONTROL_PLANE_TAINT, IMAGES, VERSION } from './system-objects.ts'

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
    this.flannel = new Flannel(cniNode, { clusterCidr, backend: options.backend })
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
    })
    this.router = new KubeRouter(store, machine, this.name, options.policyAction ?? 'drop')
  }

  /** Sysctls, devices, rules; then the node tells the API of itself. */
  join(): Node {
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
    const node = this.#store.create(this.#object())
    this.#store.updateStatus('Node', null, this.name, this.#status())
    return node
  }

  /** The kubelet's rules: written once, and again when a look after a minute finds them gone. */
  #guardRules(): void {
    const { netns, world } = this.machine
    if (this.kubelet.alive) ensureKubeletRules(netns)
    world.scheduler.call(KUBELET_WATCH, () => this.#guardRules())
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

  #object(): Node {
    const { controlPlane, tainted, labels } = this.#options
    const role = controlPlane
      ? { [CONTROL_PLANE_TAINT]: '', 'node.kubernetes.io/exclude-from-external-load-balancers': '' }
      : {}
    const taints = tainted ? { taints: [{ key: CONTROL_PLANE_TAINT, effect: 'NoSchedule' as const }] } : {}
    return {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: {
        name: this.name,
        labels: {
          'beta.kubernetes.io/arch': 'amd64',
          'beta.kubernetes.io/os': 'linux',
          'kubernetes.io/arch': 'amd64',
          'kubernetes.io/hostname': this.name,
          'kubernetes.io/os': 'linux',
          ...role,
          ...labels,
        },
        annotations: {
          ...this.flannel.annotations(),
          'kubeadm.alpha.kubernetes.io/cri-socket': 'unix:///var/run/containerd/containerd.sock',
          'node.alpha.kubernetes.io/ttl': '0',
          'volumes.kubernetes.io/controller-managed-attach-detach': 'true',
        },
      },
      spec: { podCIDR: this.podCIDR, podCIDRs: [this.podCIDR], ...taints },
      status: {},
    }
  }

  #status(): Node['status'] {
    const now = this.#store.clock.text()
    const capacity = {
      cpu: '2',
      'ephemeral-storage': '20470Mi',
      'hugepages-2Mi': '0',
      memory: '4014836Ki',
      pods: '110',
    }
    const id = this.machine.world.random.hex(32)
    return {
      addresses: [
        { type: 'InternalIP', address: this.ip },
        { type: 'Hostname', address: this.name },
      ],
      capacity,
      allocatable: { ...capacity, memory: '3912436Ki' },
      conditions: CONDITIONS.map((condition) => ({ ...condition, lastHeartbeatTime: now, lastTransitionTime: now })),
      daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
      nodeInfo: {
        architecture: 'amd64',
        bootID: id,
        containerRuntimeVersion: 'containerd://1.7.27',
        kernelVersion: '6.1.0-35-amd64',
        kubeProxyVersion: VERSION,
        kubeletVersion: VERSION,
        machineID: id,
        operatingSystem: 'linux',
        osImage: 'Debian GNU/Linux 12 (bookworm)',
        systemUUID: id,
      },
    }
  }
}

function deviceWith(machine: Machine, address: Ipv4): NetDevice {
  for (const device of machine.netns.devices.values()) {
    if (machine.netns.addressesOf(device).some((own) => own.address === address)) return device
  }
  throw new PlanError(`node ${machine.name} has no device with the address ${formatIpv4(address)}`)
}

/** As the kubelet reports a node that is well. */
const CONDITIONS: readonly Condition[] = [
  { type: 'NetworkUnavailable', status: 'False', reason: 'FlannelIsUp', message: 'Flannel is running on this node' },
  {
    type: 'MemoryPressure',
    status: 'False',
    reason: 'KubeletHasSufficientMemory',
    message: 'kubelet has sufficient memory available',
  },
  {
    type: 'DiskPressure',
    status: 'False',
    reason: 'KubeletHasNoDiskPressure',
    message: 'kubelet has no disk pressure',
  },
  {
    type: 'PIDPressure',
    status: 'False',
    reason: 'KubeletHasSufficientPID',
    message: 'kubelet has sufficient PID available',
  },
  { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' },
]

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
