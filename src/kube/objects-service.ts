/** Services and what stands behind them: Endpoints, EndpointSlices. */
import type { Condition, KubeObject, Labels } from './objects-meta.ts'

export interface Service extends KubeObject {
  kind: 'Service'
  spec: ServiceSpec
  status: { loadBalancer: { ingress?: LoadBalancerIngress[] }; conditions?: Condition[] }
}

export interface LoadBalancerIngress {
  ip?: string
  hostname?: string
  /** VIP: packets come as clients sent them, and nodes translate them. Proxy: somebody brings them on. */
  ipMode?: 'VIP' | 'Proxy'
  ports?: { port: number; protocol: string; error?: string }[]
}

export interface ServiceSpec {
  type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName'
  selector?: Labels
  ports?: ServicePortSpec[]
  clusterIP?: string
  clusterIPs?: string[]
  externalName?: string
  externalTrafficPolicy?: 'Cluster' | 'Local'
  internalTrafficPolicy?: 'Cluster' | 'Local'
  healthCheckNodePort?: number
  externalIPs?: string[]
  loadBalancerIP?: string
  loadBalancerClass?: string
  loadBalancerSourceRanges?: string[]
  trafficDistribution?: 'PreferClose' | 'PreferSameZone' | 'PreferSameNode'
  allocateLoadBalancerNodePorts?: boolean
  ipFamilies?: string[]
  ipFamilyPolicy?: string
  publishNotReadyAddresses?: boolean
  sessionAffinity?: 'None' | 'ClientIP'
  sessionAffinityConfig?: { clientIP: { timeoutSeconds: number } }
}

export interface ServicePortSpec {
  name?: string
  protocol: 'TCP' | 'UDP' | 'SCTP'
  port: number
  targetPort: number | string
  nodePort?: number
  appProtocol?: string
}

export interface TargetRef {
  apiVersion?: string
  kind: string
  namespace?: string
  name: string
  uid?: string
  resourceVersion?: string
  fieldPath?: string
}

export interface EndpointAddress {
  ip: string
  hostname?: string
  nodeName?: string
  targetRef?: TargetRef
}

export interface EndpointPort {
  name?: string
  port: number
  protocol?: string
  appProtocol?: string
}

export interface EndpointSubset {
  addresses?: EndpointAddress[]
  notReadyAddresses?: EndpointAddress[]
  ports?: EndpointPort[]
}

export interface Endpoints extends KubeObject {
  kind: 'Endpoints'
  subsets?: EndpointSubset[]
}

export interface SliceEndpoint {
  addresses: string[]
  conditions?: { ready?: boolean; serving?: boolean; terminating?: boolean }
  hostname?: string
  nodeName?: string
  zone?: string
  hints?: { forZones?: { name: string }[]; forNodes?: { name: string }[] }
  targetRef?: TargetRef
}

export interface EndpointSlice extends KubeObject {
  kind: 'EndpointSlice'
  addressType: 'IPv4' | 'IPv6' | 'FQDN'
  endpoints: SliceEndpoint[]
  ports?: { name?: string; port?: number; protocol?: string; appProtocol?: string }[]
}
