/** Whose addresses these are: nodes, hosts, pods and Services, for capture files to name them. */
import type { Capture } from '../capture/capture.ts'
import type { Pod, Service } from '../kube/objects.ts'
import type { Store } from '../kube/store.ts'
import { type Ipv4, tryParseIpv4 } from '../wire/address.ts'

export class AddressNames {
  readonly #names = new Map<Ipv4, string>()
  readonly #captures = new Set<Capture>()

  /** The capture learns all names, and those to come, until the returned function is called. */
  follow(capture: Capture): () => void {
    for (const [address, name] of this.#names) capture.name(address, name)
    this.#captures.add(capture)
    return () => void this.#captures.delete(capture)
  }

  /** Nothing is said about what is no address. */
  set(address: string | undefined, name: string): void {
    const parsed = tryParseIpv4(address?.split('/')[0] ?? '')
    if (parsed === null || this.#names.get(parsed) === name) return
    this.#names.set(parsed, name)
    for (const capture of this.#captures) capture.name(parsed, name)
  }

  /**
   * Pods as `namespace/name`, Services by the name that DNS has for them. A name stays when its owner is gone: its frames are
   * still in the file.
   */
  watch(store: Store, domain: string): void {
    store.listen('Pod', ({ object }) => this.#pod(object as Pod))
    store.listen('Service', ({ object }) => this.#service(object as Service, domain))
    for (const pod of store.list<Pod>('Pod')) this.#pod(pod)
    for (const service of store.list<Service>('Service')) this.#service(service, domain)
  }

  #pod({ metadata, spec, status }: Pod): void {
    // With the node's network its address is the node's.
    if (spec.hostNetwork === true) return
    this.set(status.podIP, `${metadata.namespace}/${metadata.name}`)
  }

  #service({ metadata, spec, status }: Service, domain: string): void {
    const name = `${metadata.name}.${metadata.namespace}.svc.${domain}`
    const balanced = status.loadBalancer.ingress?.map(({ ip }) => ip) ?? []
    for (const address of [spec.clusterIP, ...(spec.externalIPs ?? []), ...balanced]) this.set(address, name)
  }
}
