/** The container runtime of one node, as the kubelet and crictl see it: sandboxes, containers, images. */
import type { CriContainer, CriRuntime, CriSandbox } from '../host/commands/crictl.ts'
import type { Image } from '../host/images/image.ts'
import type { Machine } from '../host/machine.ts'
import { SIGKILL } from '../host/process.ts'
import { Netns } from '../net/netns.ts'
import { vanish } from '../net/vanish.ts'
import { formatIpv4 } from '../wire/address.ts'
import type { CniPins, CniPlugin } from './cni/plugin.ts'
import type { PortMap } from './cni/portmap.ts'
import { portMappings } from './host-ports.ts'
import { digestOf, fullReference } from './image-reference.ts'
import type { Pod } from './objects.ts'
import { Container, type ContainerOptions, PodSandbox } from './pod.ts'
import type { Clock } from './timestamp.ts'

/** Where images come from: the Catalogue, or anything that finds them. */
export interface ImageSource {
  find(reference: string): Image | null
}

export class ContainerRuntime implements CriRuntime {
  readonly machine: Machine
  readonly sandboxes = new Map<string, PodSandbox>()
  /** Full references of the images that are on the node. */
  readonly images = new Set<string>()
  /** The kubelet: something has ended or is gone. */
  onChange: ((sandbox: PodSandbox) => void) | null = null
  readonly clock: Clock
  readonly #cni: CniPlugin
  readonly #portmap: PortMap
  readonly #catalogue: ImageSource

  constructor(machine: Machine, cni: CniPlugin, portmap: PortMap, catalogue: ImageSource, clock: Clock) {
    this.machine = machine
    this.#cni = cni
    this.#portmap = portmap
    this.#catalogue = catalogue
    this.clock = clock
  }

  /** Null when no such image is known anywhere. */
  image(reference: string): Image | null {
    return this.#catalogue.find(reference)
  }

  /** The pause container, its namespace and, unless the pod uses the node's, CNI ADD. */
  runSandbox(pod: Pod, hostname: string, pins: CniPins = {}): PodSandbox {
    const { random } = this.machine.world
    const { namespace, name, uid } = pod.metadata
    const host = pod.spec.hostNetwork === true
    const id = random.hex(64)
    const netnsName = host ? null : `cni-${uuid(random.hex(32))}`
    const { world, netns: own } = this.machine
    const netns = netnsName === null ? own : new Netns(world, `${namespace}/${name}`, own)
    const fields = { id, namespace: namespace as string, name, uid: uid as string, hostname, netns, netnsName }
    const sandbox = new PodSandbox(this.machine, pins.standing === true ? { ...fields, createdAt: 0 } : fields)
    if (netnsName !== null) {
      sandbox.network = this.#cni.add(sandbox, pins)
      this.#portmap.add(id, sandbox.network, portMappings(pod))
      this.machine.namespaces.set(netnsName, netns)
    }
    this.sandboxes.set(id, sandbox)
    return sandbox
  }

  createContainer(
    sandbox: PodSandbox,
    image: Image,
    options: Omit<ContainerOptions, 'id' | 'imageId'>,
    known?: string,
  ): Container {
    // The runtime keeps the last dead container of a name, and forgets older ones.
    const before = sandbox.containers.filter((container) => container.name === options.name)
    for (const old of before.slice(0, -1)) old.remove()
    const id = known ?? this.machine.world.random.hex(64)
    const imageId = imageIdOf(options.image)
    const container = new Container(sandbox, image, { ...options, id, imageId }, () => this.onChange?.(sandbox))
    sandbox.containers.push(container)
    return container
  }

  /** CNI DEL; the namespace is gone then. */
  removeSandbox(sandbox: PodSandbox): void {
    if (!this.sandboxes.delete(sandbox.id)) return
    sandbox.ready = false
    for (const container of [...sandbox.containers]) container.remove()
    if (sandbox.netnsName === null) return
    this.#portmap.del(sandbox.id)
    this.#cni.del(sandbox)
    vanish(sandbox.netns)
    this.machine.namespaces.delete(sandbox.netnsName)
  }

  // ── what crictl asks ─────────────────────────────────────────────────

  criContainers(): CriContainer[] {
    const all = [...this.sandboxes.values()].flatMap((sandbox) => sandbox.containers)
    return all.map((container) => this.#describe(container)).sort((a, b) => b.createdAt - a.createdAt)
  }

  criSandboxes(): CriSandbox[] {
    const all = [...this.sandboxes.values()].map(
      (sandbox): CriSandbox => ({
        id: sandbox.id,
        createdAt: sandbox.createdAt,
        ready: sandbox.ready,
        name: sandbox.name,
        namespace: sandbox.namespace,
        uid: sandbox.uid,
        attempt: 0,
        netns: sandbox.netnsName === null ? null : `/var/run/netns/${sandbox.netnsName}`,
        ip: sandbox.network === null ? '' : formatIpv4(sandbox.network.address),
      }),
    )
    return all.sort((a, b) => b.createdAt - a.createdAt)
  }

  criImages(): string[] {
    return [...this.images].sort()
  }

  criStop(id: string): void {
    // crictl gives no time-out unless it is told one.
    this.#find(id)?.kill(SIGKILL)
  }

  criRemove(id: string): void {
    const container = this.#find(id)
    if (container === null) return
    container.kill(SIGKILL)
    container.remove()
    this.onChange?.(container.sandbox)
  }

  criStopPod(id: string): void {
    for (const container of this.sandboxes.get(id)?.containers ?? []) container.kill(SIGKILL)
  }

  criLog(id: string): string {
    return this.#find(id)?.log.text() ?? ''
  }

  #find(id: string): Container | null {
    for (const sandbox of this.sandboxes.values()) {
      const found = sandbox.containers.find((container) => container.id === id)
      if (found !== undefined) return found
    }
    return null
  }

  #describe(container: Container): CriContainer {
    const { sandbox, options, state, createdAt, startedAt, finishedAt, exitCode } = container
    return {
      id: container.id,
      name: container.name,
      image: options.image,
      imageId: digestOf(options.image),
      imageRef: options.imageId,
      state,
      createdAt,
      startedAt: this.clock.text(startedAt),
      finishedAt: state === 'Exited' ? this.clock.text(finishedAt) : '0001-01-01T00:00:00Z',
      exitCode,
      attempt: options.attempt,
      argv: options.argv,
      podId: sandbox.id,
      podName: sandbox.name,
      podNamespace: sandbox.namespace,
      podUid: sandbox.uid,
    }
  }
}

function uuid(hex: string): string {
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20)].join('-')
}

/** As a pod's status has it. */
export function imageIdOf(image: string): string {
  return `${repositoryOf(image)}@sha256:${digestOf(image)}`
}

function repositoryOf(image: string): string {
  return fullReference(image).replace(/(@|:[^/]*$).*/, '')
}
