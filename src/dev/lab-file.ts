/** The lab format: a lab.json and a commands.json that describe a small network and what is done in it. */

export interface LabPort {
  readonly name?: string
  readonly protocol?: string
  readonly port: number
  readonly targetPort?: number
  readonly nodePort?: number
}

export interface LabService {
  readonly namespace?: string
  readonly name: string
  readonly clusterIP?: string
  readonly type?: string
  readonly ports: readonly LabPort[]
  /** Pod names or addresses. */
  readonly endpoints?: readonly string[]
  readonly externalTrafficPolicy?: string
  readonly sessionAffinity?: string
  readonly sessionAffinityTimeout?: number
  readonly loadBalancerIP?: string
  /** The endpoint that is always chosen. */
  readonly pin?: string
}

export interface LabNetwork {
  readonly name: string
  readonly driver: string
  readonly bridge?: string
  readonly subnet: string
  readonly parent?: string
  readonly gateway?: string
  readonly icc?: boolean
  /** The VXLAN network of an overlay. */
  readonly vni?: number
}

export interface LabContainer {
  readonly name: string
  readonly network: string
  readonly ip?: string
  /** Its address on docker_gwbridge, when it is on an overlay. */
  readonly gwip?: string
  readonly publish?: readonly string[]
}

export interface LabNode {
  readonly name: string
  readonly ip: string
  readonly podCIDR?: string
  readonly mac?: string
  readonly docker?: { readonly networks: readonly LabNetwork[]; readonly containers: readonly LabContainer[] }
  readonly sysctl?: Readonly<Record<string, string | number>>
}

export interface LabHost {
  readonly name: string
  readonly ip: string
  readonly mac?: string
  readonly router?: boolean
  readonly routes?: readonly string[]
  readonly loopback?: readonly string[]
  readonly isolated?: boolean
  readonly behind?: {
    readonly name: string
    readonly ip: string
    readonly gw: string
    readonly mtu?: number
    readonly pathMtu?: number
  }
}

export interface LabHostPort {
  readonly hostPort: number
  readonly containerPort: number
  readonly protocol?: string
}

/** Ingress of one pod: what is not allowed is dropped or rejected. */
export interface LabPolicy {
  readonly pod: string
  readonly action?: 'DROP' | 'REJECT'
  /** `from`: a pod's name or a CIDR. */
  readonly allow?: readonly { readonly from?: string; readonly protocol?: string; readonly port?: number }[]
}

export interface LabPod {
  readonly name: string
  readonly node: string
  readonly ip: string
  readonly mac?: string
  readonly hostNetwork?: boolean
  readonly shareNetnsOf?: string
  readonly hairpin?: boolean
  readonly isolated?: boolean
  readonly later?: boolean
  readonly hostPorts?: readonly LabHostPort[]
  readonly sysctl?: Readonly<Record<string, string | number>>
}

export interface Lab {
  readonly clusterCIDR?: string
  readonly serviceCIDR?: string
  readonly backend?: 'vxlan' | 'host-gw'
  readonly cni?: string
  readonly ipv6?: boolean
  readonly kubeProxy?: { readonly mode?: string; readonly dropInvalid?: boolean }
  readonly policies?: readonly LabPolicy[]
  readonly underlay: {
    readonly cidr: string
    readonly mtu?: number
    readonly gateway: string
    readonly ageing?: number
  }
  readonly nodes: readonly LabNode[]
  readonly hosts?: readonly LabHost[]
  readonly pods?: readonly LabPod[]
  readonly services?: readonly LabService[]
  readonly dns?: { readonly server: string; readonly search?: string }
  /** This node's cable goes through the impairing wire. */
  readonly wire?: string
}

export interface WireRules {
  readonly data?: readonly number[]
  readonly again?: Readonly<Record<string, number>>
  readonly syn?: number
  readonly rate?: number
  readonly seed?: number
}

/** One step; which of the fields are there says what kind it is. */
export interface LabStep {
  /** When it began, in seconds from the first step that is not `early`. */
  readonly t?: number
  readonly kind?: 'server' | 'wire'
  readonly at?: string
  readonly run?: string
  readonly spawn?: string
  readonly out?: string
  readonly sleep?: number
  readonly join?: unknown
  readonly delpod?: string
  readonly addpod?: string
  readonly announce?: string
  readonly withdraw?: string
  /** The announced address. */
  readonly ip?: string
  readonly services?: readonly LabService[]
  readonly delay_ms?: number
  readonly rules?: WireRules
}

export interface LabCommands {
  readonly captured: readonly string[]
  readonly steps: readonly LabStep[]
  /** What the recorded kernels ran; the first is everybody's. */
  readonly congestion_control?: readonly string[]
}

/** What a lab asks for that podwire has not learnt; a sentence, or null. */
export function notModelled(lab: Lab): string | null {
  if (lab.ipv6) return 'podwire: IPv6 is not modelled'
  if (lab.cni !== undefined && lab.cni !== 'flannel' && lab.cni !== 'calico')
    return `podwire: CNI ${lab.cni} is not modelled`
  const mode = lab.kubeProxy?.mode
  if (mode !== undefined && mode !== 'iptables' && mode !== 'nftables')
    return `podwire: kube-proxy mode ${mode} is not modelled`
  for (const node of lab.nodes) {
    for (const network of node.docker?.networks ?? []) {
      if (!['bridge', 'overlay', 'macvlan'].includes(network.driver))
        return `podwire: Docker network driver ${network.driver} is not modelled`
    }
  }
  return null
}
