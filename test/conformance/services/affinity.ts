/** Services that keep a client with its endpoint. */
import { expect } from 'vitest'
import { answers, serve } from '../reach.ts'
import { execPod, type Namespace, NODES, type Test } from '../suite.ts'

const ROUNDS = 15
/** Seconds. */
const TIMEOUT = 10

export function affinity(test: Test): void {
  for (const [what, type] of [
    ['service with type clusterIP', 'ClusterIP'],
    ['NodePort service', 'NodePort'],
  ] as const) {
    test(`should have session affinity work for ${what}`, async (e2e) => {
      const { host, port, names } = await start(e2e, type, { sessionAffinity: 'ClientIP' })
      const [first, ...others] = await hosts(e2e, host, port)
      expect(names).toContain(first)
      expect(new Set(others)).toEqual(new Set([first]))
    })

    test(`should have session affinity timeout work for ${what}`, async (e2e) => {
      const sessionAffinityConfig = { clientIP: { timeoutSeconds: TIMEOUT } }
      const { host, port } = await start(e2e, type, { sessionAffinity: 'ClientIP', sessionAffinityConfig })
      expect(new Set(await hosts(e2e, host, port)).size).toBe(1)
      // Every request counts anew: with less than the time-out between them the client stays.
      const [first] = await hosts(e2e, host, port, 1)
      for (let i = 0; i < 4; i++) {
        await e2e.run(TIMEOUT - 2)
        expect(await hosts(e2e, host, port, 1)).toEqual([first])
      }
      // Left alone for longer, it is somebody new, and sooner or later with somebody else.
      // IPVS remembers it as long as there are entries of its connections (ip_vs_conn_expire): TIME-WAIT's 120 s, and a minute.
      const idle = e2e.mode === 'ipvs' ? 120 + 2 * 60 + TIMEOUT : TIMEOUT + 2
      const seen = new Set([first])
      for (let i = 0; i < 30 && seen.size === 1; i++) {
        await e2e.run(idle)
        for (const name of await hosts(e2e, host, port, 1)) seen.add(name)
      }
      expect(seen.size).toBeGreaterThan(1)
    })

    test(`should be able to switch session affinity for ${what}`, async (e2e) => {
      const { host, port, names } = await start(e2e, type, { sessionAffinity: 'None' })
      await answers(e2e, 'execpod', host, port, names)
      await e2e.kubectl(`patch service affinity -p '{"spec":{"sessionAffinity":"ClientIP"}}'`)
      await e2e.synced()
      expect(new Set(await hosts(e2e, host, port)).size).toBe(1)
      await e2e.kubectl(`patch service affinity -p '{"spec":{"sessionAffinity":"None"}}'`)
      await e2e.synced()
      await answers(e2e, 'execpod', host, port, names)
    })
  }
}

/** Three servers and a client; where it asks. */
async function start(e2e: Namespace, type: string, spec: object) {
  await e2e.start(execPod('execpod'))
  const { ip, nodePort, names } = await serve(e2e, 'affinity', 3, { type, ...spec })
  return type === 'NodePort' ? { host: NODES.w1, port: nodePort, names } : { host: ip, port: 80, names }
}

/** Who answers one request after another. */
async function hosts(e2e: Namespace, host: string, port: number, count = ROUNDS): Promise<string[]> {
  const once = `curl -q -s --connect-timeout 2 http://${host}:${port}/`
  const { output } = await e2e.exec('execpod', `for i in $(seq 1 ${count}); do ${once}; echo; done`)
  const names = output.trim().split('\n')
  expect(names).toHaveLength(count)
  return names
}
