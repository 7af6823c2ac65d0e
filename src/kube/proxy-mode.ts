/**
 * How kube-proxy tells a node's kernel of Services: one of its modes. `proxy.ts` watches the API and says what there
 * is (its ServicePortMap and EndpointsMap, as one list); a mode makes rules of it.
 */
import type { ProxyPlace, ProxyService } from './proxy-services.ts'

/** `mode` in kube-proxy's configuration. */
export type ProxyModeName = 'iptables' | 'ipvs' | 'nftables'

export interface ProxyModeOptions {
  /** The node's name, and its own address. */
  readonly node: string
  readonly nodeIP: string
  readonly clusterCIDR: string
  readonly serviceCIDR: string
  /** `nodePortAddresses`: networks whose addresses answer on node ports, or `primary`; none: all addresses. */
  readonly nodePortAddresses?: readonly string[]
  /** `iptables.localhostNodePorts`: node ports on 127.0.0.1; true unless it is said otherwise. */
  readonly localhostNodePorts?: boolean
  /** Of the ipvs mode: its scheduler (rr), and whether the node answers ARP only for addresses of the asked device. */
  readonly ipvs?: { readonly scheduler?: string | undefined; readonly strictARP?: boolean | undefined }
}

export interface ProxyMode {
  /** Sysctls, devices and what else is made once, before the first rules. */
  start(): void
  /**
   * Makes the node do what the Services ask for now, whatever it did before. Which of a Service's endpoints a node at
   * this place may use, `reachable` (proxy-services.ts) says. `waiting`: endpoints of Services that are left out.
   */
  sync(services: readonly ProxyService[], place: ProxyPlace, waiting?: number): void
  /** Asked now and then: false when somebody has taken its rules away, and the next sync must write all of them. */
  intact?(): boolean
}
