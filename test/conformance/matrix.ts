/** Who reaches whom, among nine pods in three namespaces. */
import { expect } from 'vitest'
import type { KubeObject } from '../../src/kube/objects.ts'
import { container, type Namespace, pod, service } from './suite.ts'

const SPACES = ['x', 'y', 'z']
const PODS = ['a', 'b', 'c']
const EVERYBODY = SPACES.flatMap((space) => PODS.map((name) => `${space}/${name}`))
/** May it reach it? Both are like `x/a`. */
export type Allowed = (from: string, to: string) => boolean

export function policy(name: string, spec: object): KubeObject {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name }, spec } as KubeObject
}

/** The nine pods, each behind a Service; made by the first case, and used by all. */
export class Matrix {
  static #made = new WeakMap<object, Matrix>()
  readonly #e2e: Namespace
  readonly #spaces = new Map<string, Namespace>()

  private constructor(e2e: Namespace) {
    this.#e2e = e2e
  }

  static async of(e2e: Namespace): Promise<Matrix> {
    const known = Matrix.#made.get(e2e.lab)
    if (known !== undefined) return known
    const made = new Matrix(e2e)
    Matrix.#made.set(e2e.lab, made)
    for (const name of SPACES) {
      const space = await e2e.sibling(`netpol-${name}`, { ns: name })
      made.#spaces.set(name, space)
      for (const each of PODS) {
        const all = [80, 81].flatMap((port) =>
          ['TCP', 'UDP'].map((protocol) => ({ name: `serve-${port}-${protocol.toLowerCase()}`, protocol, port })),
        )
        const serving = [80, 81].map((port) =>
          container(`cont-${port}`, ['serve-hostname', '--tcp', '--udp', '--http=false', `--port=${port}`], {
            ports: all
              .filter((one) => one.port === port)
              .map(({ name: called, protocol }) => ({ name: called, protocol, containerPort: port })),
          }),
        )
        space.apply(pod(each, serving, {}, { pod: each }), service(`s-${each}`, { pod: each }, all))
      }
    }
    for (const space of made.#spaces.values()) await space.ready(...PODS)
    await made.holds(() => true)
    return made
  }

  space(name: string): string {
    return this.#of(name).name
  }

  ip(who: string): string {
    const found = this.#of(who[0])
      .pods()
      .find(({ metadata }) => metadata.name === who.slice(2))
    return found?.status.podIP as string
  }

  async label(who: string, text: string): Promise<void> {
    await this.#of(who[0]).kubectl(`label pod ${who.slice(2)} ${text}`)
    await this.#e2e.run(1)
  }

  async apply(name: string, spec: object): Promise<void> {
    this.#of('x').apply(policy(name, spec))
    await this.#e2e.run(1)
  }

  /** With these policies in x, and without them (and `more`) afterwards. */
  async with(
    policies: Readonly<Record<string, object>>,
    check: () => Promise<void>,
    more: readonly string[] = [],
  ): Promise<void> {
    for (const [name, spec] of Object.entries(policies)) await this.apply(name, spec)
    try {
      await check()
    } finally {
      await this.#of('x').kubectl(`delete networkpolicy ${[...Object.keys(policies), ...more].join(' ')}`)
      await this.#e2e.run(1)
    }
  }

  /** Everybody asks everybody, as `agnhost connect` does, by the Services' addresses. */
  async holds(allowed: Allowed, port = 80, protocol = 'tcp'): Promise<void> {
    const addresses = EVERYBODY.map((to) => this.#of(to[0]).service(`s-${to.slice(2)}`).spec.clusterIP)
    const asked = EVERYBODY.map(async (from) => {
      const line = addresses
        .map((ip) => `/agnhost connect ${ip}:${port} --timeout=1s --protocol=${protocol} && echo yes || echo no`)
        .join('; ')
      let said = ''
      const space = this.#of(from[0]).name
      const command = `kubectl -n ${space} exec ${from.slice(2)} -c cont-80 -- sh -c '${line}'`
      await this.#e2e.lab.begin(command, { out: (text) => void (said += text), err: () => {} })
      const words = said.split('\n').filter((word) => word === 'yes' || word === 'no')
      // Whether a pod reaches itself through its Service is not asked for, upstream neither (ignoreLoopback).
      return words.map((word, i) => (EVERYBODY[i] === from ? '-' : word))
    })
    const rows = await this.#e2e.lab.runner.until(Promise.all(asked))
    const wanted = EVERYBODY.map((from) =>
      EVERYBODY.map((to) => (from === to ? '-' : allowed(from, to) ? 'yes' : 'no')),
    )
    const told = (matrix: readonly (readonly string[])[]) => matrix.map((row, i) => `${EVERYBODY[i]}: ${row.join(' ')}`)
    expect(told(rows)).toEqual(told(wanted))
  }

  #of(name: string): Namespace {
    return this.#spaces.get(name) as Namespace
  }
}
