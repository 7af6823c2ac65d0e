/**
 * What runs on a fleet, as the API has it: daemons on each node, Deployments with their pods, Services with their
 * endpoints. All of it has been there since before the world began; the controllers that would have made it are asked for
 * everything but the pods.
 */

import type { Random } from '../../sim/random.ts'
import { formatIpv4, nth, tryParseIpv4 } from '../../wire/address.ts'
import { FIRST_POD } from '../cni/bridge.ts'
import type { FlannelBackend } from '../cni/flannel.ts'
import { ContainerSlot } from '../container-slot.ts'
import { daemonOf, pinnedTo } from '../controllers/daemonset.ts'
import { podOf } from '../controllers/replicaset.ts'
import type { Controllers } from '../controllers/start.ts'
import { PlanError } from '../ipam.ts'
import { leaseOf, MAX_PODS, nodeObject, nodeStatus } from '../node-object.ts'
import type { DaemonSet, Deployment, KubeObject, Pod, PodStatus, ReplicaSet, Service } from '../objects.ts'
import type { Container } from '../pod.ts'
import { podStatus } from '../pod-status.ts'
import { imageIdOf } from '../runtime.ts'
import type { StandingServices } from '../service-selection.ts'
import type { Store } from '../store.ts'
import type { Member } from './member.ts'

export class Population {
  readonly #store: Store
  readonly #random: Random
  readonly #members: readonly Member[]
  readonly #controllers: Controllers
  readonly #services: StandingServices
  /** By number of the node: the uids of its daemons, and of the pods with addresses of their own, in the order of these. */
  readonly daemons: string[][]
  readonly pods: string[][]
  #next = 0

  constructor(
    store: Store,
    random: Random,
    members: readonly Member[],
    controllers: Controllers,
    services: StandingServices,
  ) {
    this.#store = store
    this.#random = random
    this.#members = members
    this.#controllers = controllers
    this.#services = services
    this.daemons = members.map(() => [])
    this.pods = members.map(() => [])
  }

  /** Node objects, and a pod of each daemon set on every one. */
  addNodes(backend: FlannelBackend): void {
    const store = this.#store
    const now = store.clock.text()
    for (const { name, ip, podCIDR, id, peer } of this.#members) {
      const lease = leaseOf(peer, backend)
      store.create(nodeObject({ name, podCIDR, controlPlane: false, tainted: false, lease }))
      store.updateStatus('Node', null, name, nodeStatus(name, ip, now, id))
    }
    for (const set of store.list<DaemonSet>('DaemonSet')) this.#addDaemons(set)
  }

  #addDaemons(set: DaemonSet): void {
    const model = this.#store.create(daemonOf(set, this.#members[0].name)) as Pod
    const status = this.#statusOf(model)
    this.#members.forEach(({ name, ip }, i) => {
      const { affinity } = model.spec
      const spec = { ...model.spec, nodeName: name, affinity: { ...affinity, nodeAffinity: pinnedTo(name) } }
      this.daemons[i].push(this.#addPod(model, i === 0 ? model.metadata.name : null, spec, status, ip, ip))
    })
  }

  /** The object itself, and for a Deployment its pods. Services come after what they are for. */
  add(object: KubeObject): void {
    const made = this.#store.create(object)
    const { namespace, name } = made.metadata
    const key = `${namespace}/${name}`
    if (made.kind === 'Deployment') this.#addReplicas(made as Deployment, key)
    if (made.kind === 'Service') this.#addEndpoints(made as Service, key)
  }

  #addReplicas(deployment: Deployment, key: string): void {
    const store = this.#store
    const { deployments, replicaSets } = this.#controllers
    deployments.sync(key)
    for (const set of store.ownedBy(deployment.metadata.uid as string) as ReplicaSet[]) {
      const { replicas } = set.spec
      const model = replicas === 0 ? null : (store.create(podOf(set)) as Pod)
      const status = model === null ? {} : this.#statusOf(model)
      for (let i = 0; i < replicas && model !== null; i++)
        this.#place(model, i === 0 ? model.metadata.name : null, status)
      replicaSets.sync(`${set.metadata.namespace}/${set.metadata.name}`)
    }
    deployments.sync(key)
  }

  /** The next node in turn: the one with the fewest pods of the same owner, and with the fewest pods, as the scheduler chooses. */
  #place(model: Pod, name: string | null, status: PodStatus): void {
    const number = this.#next
    this.#next = (number + 1) % this.#members.length
    const { peer, ip, name: node } = this.#members[number]
    const here = this.pods[number]
    if (here.length + this.daemons[number].length >= MAX_PODS) {
      throw new PlanError(
        `a node has room for ${MAX_PODS} pods, and the fleet's ${this.#members.length} nodes are full`,
      )
    }
    const address = formatIpv4(nth(peer.podCidr, FIRST_POD + here.length))
    here.push(this.#addPod(model, name, { ...model.spec, nodeName: node }, status, ip, address))
  }

  /** Its uid. Objects share with the model what is the same. */
  #addPod(
    model: Pod,
    known: string | null,
    spec: Pod['spec'],
    status: PodStatus,
    hostIP: string,
    podIP: string,
  ): string {
    const store = this.#store
    const { namespace, generateName } = model.metadata
    let name = known ?? ''
    while (name === '' || (known === null && store.get('Pod', namespace ?? null, name) !== null)) {
      name = `${generateName}${store.suffix()}`
    }
    const { uid, ...rest } = model.metadata
    const metadata = { ...rest, name, ...(known === null ? {} : { uid }) }
    const containers = (status.containerStatuses ?? []).map((each) => ({
      ...each,
      containerID: `containerd://${this.#random.hex(64)}`,
    }))
    const pod = {
      ...model,
      metadata,
      spec,
      status: {
        ...status,
        hostIP,
        hostIPs: [{ ip: hostIP }],
        podIP,
        podIPs: [{ ip: podIP }],
        containerStatuses: containers,
      },
    }
    return store.adopt(pod as Pod).metadata.uid as string
  }

  /** Of a pod that runs, as its kubelet reports it. */
  #statusOf(model: Pod): PodStatus {
    const { clock } = this.#store
    const main = model.spec.containers.map((spec) => {
      const slot = new ContainerSlot(spec, false, false)
      const options = { imageId: imageIdOf(spec.image) }
      slot.current = { state: 'Running', startedAt: clock.now, id: '', options } as unknown as Container
      slot.started = true
      slot.ready = true
      return slot
    })
    const view = { pod: model, init: [], main, podIp: '0.0.0.0', hostIp: '0.0.0.0', startTime: clock.text() }
    return podStatus(view, clock)
  }

  #addEndpoints(service: Service, key: string): void {
    this.#controllers.endpoints.sync(key)
    this.#controllers.slices.sync(key)
    const { namespace, name, uid } = service.metadata
    const address = tryParseIpv4(service.spec.clusterIP ?? '')
    const count = this.#store.tables.slices
      .of(namespace as string, name)
      .reduce((sum, s) => sum + s.endpoints.length, 0)
    // Only what a packet's destination tells may wait for its packet: node ports and other addresses are written at once.
    if (address !== null && service.spec.type === 'ClusterIP') this.#services.add(uid as string, address, count)
  }
}
