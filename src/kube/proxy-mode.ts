/**
 * How kube-proxy tells a node's kernel of Services: one of its modes. `proxy.ts` watches the API and says what there
 * is (its ServicePortMap and EndpointsMap, as one list); a mode makes rules of it.
 */
import type { ProxyService } from './proxy-rules.ts'

/** `mode` in kube-proxy's configuration. */
export type ProxyModeName = 'iptables'

export interface ProxyModeOptions {
  /** The node's name, and its own address. */
  readonly node: string
  readonly nodeIP: string
  readonly clusterCIDR: string
  readonly serviceCIDR: string
}

export interface ProxyMode {
  /** Sysctls, devices and what else is made once, before the first rules. */
  start(): void
  /** Makes the node do what the Services ask for now, whatever it did before. */
  sync(services: readonly ProxyService[]): void
}
