/** The pods by node, and how many are active there: what the scheduler would otherwise count for each pod again. */

import { controllerOf, isActive, isFinished } from './control.ts'
import type { Pod } from './objects.ts'

/** What is on one node. */
class Bound {
  /** By uid. */
  readonly pods = new Map<string, Pod>()
  active = 0
  /** Those that have not ended: they need room. */
  held = 0
  /** Active ones by the uid of their controller. */
  readonly siblings = new Map<string, number>()
}

export class PodTable {
  readonly #nodes = new Map<string, Bound>()

  /** By namespace, then name. */
  on(node: string): Pod[] {
    return [...(this.#nodes.get(node)?.pods.values() ?? [])].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  }

  activeOn(node: string): number {
    return this.#nodes.get(node)?.active ?? 0
  }

  /** How many there take one of the node's places, pods on their way out too. */
  heldOn(node: string): number {
    return this.#nodes.get(node)?.held ?? 0
  }

  /** How many of a controller's active pods are there. */
  siblingsOn(node: string, controller: string): number {
    return this.#nodes.get(node)?.siblings.get(controller) ?? 0
  }

  add(pod: Pod): void {
    const { nodeName } = pod.spec
    if (nodeName === undefined) return
    const bound = this.#nodes.get(nodeName) ?? new Bound()
    this.#nodes.set(nodeName, bound)
    bound.pods.set(pod.metadata.uid as string, pod)
    count(bound, pod, 1)
  }

  remove(pod: Pod): void {
    const { nodeName } = pod.spec
    const bound = nodeName === undefined ? undefined : this.#nodes.get(nodeName)
    if (nodeName === undefined || !bound?.pods.delete(pod.metadata.uid as string)) return
    count(bound, pod, -1)
    if (bound.pods.size === 0) this.#nodes.delete(nodeName)
  }
}

function keyOf({ metadata }: Pod): string {
  return `${metadata.namespace}\u0000${metadata.name}`
}

function count(bound: Bound, pod: Pod, by: number): void {
  if (!isFinished(pod)) bound.held += by
  if (!isActive(pod)) return
  bound.active += by
  const uid = controllerOf(pod)?.uid
  if (uid !== undefined) bound.siblings.set(uid, (bound.siblings.get(uid) ?? 0) + by)
}
