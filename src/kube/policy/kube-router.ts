/**
 * kube-router as a firewall beside flannel (--run-firewall, no routing, no proxy): on each node it keeps rules and sets as
 * the NetworkPolicies, pods and namespaces of the moment want them.
 */
import type { Machine } from '../../host/machine.ts'
import type { Process, Program } from '../../host/process.ts'
import type { Netns } from '../../net/netns.ts'
import { type Scheduler, Timer } from '../../sim/scheduler.ts'
import { equal } from '../json.ts'
import { ensureJumps } from '../jumps.ts'
import { POLICY_DELAY, POLICY_WATCH } from '../latency.ts'
import type { Pod } from '../objects.ts'
import type { Change, Store } from '../store.ts'
import { policyPlans } from './plan.ts'
import { type AddressSet, POLICY_JUMPS, type PolicyAction, type PolicyRules, policyRules } from './rules.ts'

export interface NetworkPolicyOptions {
  readonly engine: 'kube-router'
  /** What becomes of a packet that no policy allows; drop unless it is said otherwise. */
  readonly action?: PolicyAction
}

const OURS = /^KUBE-(POD-FW|NWPLCY)-/

/** The program of kube-router's pods: it lives as long as its container, and its rules longer. */
export function kubeRouter(find: (machine: Process['place']['machine']) => KubeRouter | null): Program {
  return async (self) => {
    const router = find(self.place.machine)
    if (router === null) return self.forever()
    router.start()
    try {
      return await self.forever()
    } finally {
      router.stop()
    }
  }
}

export class KubeRouter {
  readonly #store: Store
  readonly #netns: Netns
  readonly #node: string
  readonly #action: PolicyAction
  readonly #scheduler: Scheduler
  readonly #timer: Timer
  readonly #watch: Timer
  readonly #ends: (() => void)[] = []
  readonly #sets = new Map<string, string>()

  constructor(store: Store, machine: Machine, node: string, action: PolicyAction) {
    this.#store = store
    this.#netns = machine.netns
    this.#node = node
    this.#action = action
    this.#scheduler = machine.world.scheduler
    this.#timer = new Timer({ run: () => this.sync() })
    this.#watch = new Timer({ run: () => this.#again() })
  }

  start(): void {
    this.#sets.clear()
    this.sync()
    const changed = () => this.#changed()
    this.#ends.push(
      this.#store.listen('NetworkPolicy', changed),
      this.#store.listen('Namespace', (change) => {
        if (!equal(change.object.metadata.labels ?? {}, change.old?.metadata.labels ?? {})) changed()
      }),
      this.#store.listen('Pod', (change) => {
        if (matters(change)) changed()
      }),
    )
    this.#scheduler.after(this.#watch, POLICY_WATCH)
  }

  /** Its rules stay, and follow nothing any more. */
  stop(): void {
    for (const end of this.#ends.splice(0)) end()
    this.#scheduler.cancel(this.#timer)
    this.#scheduler.cancel(this.#watch)
  }

  /** Writes sets and rules now: sets first, since rules name them, and those that nobody names any more last. */
  sync(): void {
    const { netfilter } = this.#netns
    const wanted = policyRules(policyPlans(this.#store), this.#node, this.#action)
    for (const [name, set] of wanted.sets) this.#fill(name, set)
    netfilter.restore(wanted.rules.update({ mangle: [], filter: this.#stale(wanted), nat: [] }), { noflush: true })
    ensureJumps(this.#netns, POLICY_JUMPS)
    for (const name of [...this.#sets.keys()]) {
      if (wanted.sets.has(name)) continue
      netfilter.ipset(['destroy', name])
      this.#sets.delete(name)
    }
  }

  #changed(): void {
    if (!this.#timer.armed) this.#scheduler.after(this.#timer, POLICY_DELAY)
  }

  /** Every five minutes everything is written anew, whatever others have done to it (--iptables-sync-period). */
  #again(): void {
    this.#sets.clear()
    this.sync()
    this.#scheduler.after(this.#watch, POLICY_WATCH)
  }

  #stale({ rules }: PolicyRules): string[] {
    const present = this.#netns.netfilter.rules.peek('filter')?.chains.keys() ?? []
    return [...present].filter((chain) => OURS.test(chain) && !rules.chains('filter').includes(chain))
  }

  #fill(name: string, { type, elements }: AddressSet): void {
    const lines = [
      `create ${name} ${type} family inet hashsize 1024 maxelem 65536 timeout 0`,
      `flush ${name}`,
      ...elements.map((element) => {
        const [address, ...rest] = element.split(' ')
        return ['add', name, address, 'timeout 0', ...rest].join(' ')
      }),
    ]
    const text = `${lines.join('\n')}\n`
    if (this.#sets.get(name) === text) return
    const { err } = this.#netns.netfilter.ipset(['restore', '-exist'], text)
    if (err !== '') throw new Error(`podwire bug: ipset restore: ${err}`)
    this.#sets.set(name, text)
  }
}

/** Did something change that policies ask for? */
function matters({ type, object, old }: Change): boolean {
  if (type === 'DELETED' || old === null) return true
  const [now, before] = [object as Pod, old as Pod]
  return (
    now.status.podIP !== before.status.podIP ||
    now.status.phase !== before.status.phase ||
    !equal(now.metadata.labels ?? {}, before.metadata.labels ?? {})
  )
}
