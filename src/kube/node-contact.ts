/**
 * Whether the control plane hears of nodes. A kubelet that is stopped, or whose node's cable is out, posts nothing: after the
 * grace period (--node-monitor-grace-period) its node is lost. What runs there runs on.
 */
import { type Scheduler, Timer } from '../sim/scheduler.ts'
import type { NodeLifecycleController } from './controllers/node-lifecycle.ts'
import { NODE_GRACE } from './latency.ts'
import type { KubeNode } from './node.ts'

export type Silence = 'kubelet' | 'cable'

export class NodeContact {
  readonly #nodes: ReadonlyMap<string, KubeNode>
  readonly #lifecycle: NodeLifecycleController
  readonly #scheduler: Scheduler
  readonly #causes = new Map<string, Set<Silence>>()
  readonly #timers = new Map<string, Timer>()

  constructor(nodes: ReadonlyMap<string, KubeNode>, lifecycle: NodeLifecycleController, scheduler: Scheduler) {
    this.#nodes = nodes
    this.#lifecycle = lifecycle
    this.#scheduler = scheduler
  }

  /** Is this a cause of the node's silence? */
  has(name: string, cause: Silence): boolean {
    return this.#causes.get(name)?.has(cause) === true
  }

  /** Nodes may be silent for two causes at once, and are heard again when there is none. */
  set(name: string, cause: Silence, silent: boolean): void {
    const node = this.#nodes.get(name)
    if (node === undefined) return
    const causes = this.#causes.get(name) ?? new Set()
    this.#causes.set(name, causes)
    const before = causes.size > 0
    if (silent) causes.add(cause)
    else causes.delete(cause)
    if (causes.size > 0 === before) return
    const timer = this.#timers.get(name) ?? new Timer({ run: () => this.#lifecycle.lost(name) })
    this.#timers.set(name, timer)
    node.kubelet.setAlive(!silent)
    if (silent) this.#scheduler.after(timer, NODE_GRACE)
    else {
      this.#scheduler.cancel(timer)
      node.reportReady()
    }
  }
}
