/** Which pod and which container `exec`, `attach` and `logs` mean: `web`, `deploy/web`, `svc/web -c second`. */
import { SECOND } from '../../sim/scheduler.ts'
import type { KubeObject } from './api.ts'
import { parseDuration } from './duration.ts'
import { Failure, fail } from './failure.ts'
import { at, isMap, listAt, mapAt, nameOf, namespaceOf, textAt } from './field.ts'
import { conditionOf, conditionTrue } from './print/pod-layout.ts'
import { needResource, RESOURCES, type Resource } from './resources.ts'
import { selectorOf } from './selector.ts'
import type { Session } from './session.ts'
import { until } from './waiting.ts'

const POD = RESOURCES.find((resource) => resource.kind === 'Pod')!

/** A pod by its name, or by something that owns pods. */
export function readPodName(word: string): { resource: Resource; name: string } {
  const slash = word.indexOf('/')
  if (slash < 0) return { resource: POD, name: word }
  return { resource: needResource(word.slice(0, slash)), name: word.slice(slash + 1) }
}

/** The pods that a workload or Service selects, the one that kubectl prefers first. */
export function podsOf(session: Session, owner: KubeObject): KubeObject[] {
  const matches = selectorOf(at(owner, 'spec.selector'))
  return session.cluster
    .list('Pod', namespaceOf(owner))
    .filter((pod) => matches(mapAt(pod, 'metadata.labels')))
    .sort(byActivity)
}

const PHASES = ['Running', 'Unknown', 'Pending']

/** Assigned, running, ready, ready for longest, oldest. */
function byActivity(a: KubeObject, b: KubeObject): number {
  const rank = (pod: KubeObject): number => {
    const assigned = textAt(pod, 'spec.nodeName') === '' ? 100 : 0
    const phase = PHASES.indexOf(textAt(pod, 'status.phase'))
    return assigned + (phase < 0 ? 3 : phase) * 10 + (conditionTrue(pod, 'Ready') ? 0 : 1)
  }
  if (rank(a) !== rank(b)) return rank(a) - rank(b)
  const since = (pod: KubeObject): string => textAt(conditionOf(pod, 'Ready'), 'lastTransitionTime')
  if (since(a) !== since(b)) return since(a) < since(b) ? -1 : 1
  const created = (pod: KubeObject): string => textAt(pod, 'metadata.creationTimestamp')
  return created(a) < created(b) ? -1 : created(a) > created(b) ? 1 : 0
}

/** The pod for exec and attach: waits until the owner has one. */
export async function needPod(session: Session, word: string): Promise<KubeObject> {
  const { resource, name } = readPodName(word)
  const object = session.need(resource, name)
  if (resource.kind === 'Pod') return object
  if (!isMap(at(object, 'spec.selector')))
    fail(`cannot attach to *v1.${resource.kind}: selector for ${resource.plural} is missing`)
  const timeout = parseDuration(session.flags.text('pod-running-timeout') ?? '1m') ?? 60 * SECOND
  const pod = await until(session, 'Pod', () => podsOf(session, object)[0] ?? null, timeout)
  return pod ?? fail('timed out waiting for the condition')
}

export function containerNames(pod: KubeObject): string[] {
  return ['spec.containers', 'spec.initContainers', 'spec.ephemeralContainers'].flatMap((path) =>
    listAt(pod, path).map((container) => textAt(container, 'name')),
  )
}

/** The container that -c names, or the first; kubectl says which when there were others. */
export function defaultContainer(session: Session, pod: KubeObject): string {
  const given = session.flags.text('container')
  if (given !== null && given !== '') return given
  const names = containerNames(pod)
  const annotated = mapAt(pod, 'metadata.annotations')['kubectl.kubernetes.io/default-container']
  if (annotated !== undefined && names.includes(annotated)) return annotated
  const first = names[0] ?? fail(`no container is in pod ${nameOf(pod)}`)
  if (names.length > 1 && !session.flags.on('quiet')) {
    session.err(`Defaulted container "${first}" out of: ${listNames(pod)}\n`)
  }
  return first
}

function listNames(pod: KubeObject): string {
  const regular = listAt(pod, 'spec.containers').map((container) => textAt(container, 'name'))
  const init = listAt(pod, 'spec.initContainers').map((container) => `${textAt(container, 'name')} (init)`)
  return [...regular, ...init].join(', ')
}

/** What the API server and the kubelet refuse before a command is started. */
export function checkRunning(pod: KubeObject, container: string): void {
  const name = nameOf(pod)
  if (!containerNames(pod).includes(container)) {
    throw new Failure(`Error from server (BadRequest): container ${container} is not valid for pod ${name}`)
  }
  if (textAt(pod, 'spec.nodeName') === '') {
    throw new Failure(`Error from server (BadRequest): pod ${name} does not have a host assigned`)
  }
  const statuses = [...listAt(pod, 'status.containerStatuses'), ...listAt(pod, 'status.initContainerStatuses')]
  const status = statuses.find((candidate) => textAt(candidate, 'name') === container)
  if (!isMap(at(status, 'state.running'))) fail(`unable to upgrade connection: container not found ("${container}")`)
}
