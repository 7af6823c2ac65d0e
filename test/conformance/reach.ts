/** Asking from a pod, as the cases do: who answers, and how it fails. */
import { expect } from 'vitest'
import type { EndpointSlice, Pod } from '../../src/kube/objects.ts'
import { deployment, type Namespace, type Said, service } from './suite.ts'

/** The cases ask until everybody has answered; more often than this says that somebody never will. */
const MOST = 40

/** The host name that answers by HTTP; curl's exit code when nobody does (7 refused, 28 nothing came). */
export function hostname(e2e: Namespace, from: string, host: string, port: number): Promise<Said> {
  return e2e.exec(from, `curl -q -s --connect-timeout 2 http://${host}:${port}/hostname`)
}

/** All of these answer, and nobody else. */
export async function answers(e2e: Namespace, from: string, host: string, port: number, wanted: readonly string[]) {
  const seen = new Set<string>()
  for (let i = 0; i < MOST && !wanted.every((name) => seen.has(name)); i++) {
    const { code, output } = await hostname(e2e, from, host, port)
    expect({ code, host, from }, output).toEqual({ code: 0, host, from })
    seen.add(output.trim())
  }
  expect([...seen].sort()).toEqual([...wanted].sort())
}

/** Nobody answers, whoever is asked how often. */
export async function silence(e2e: Namespace, from: string, host: string, port: number, codes = [7, 28]) {
  for (let i = 0; i < 3; i++) {
    const { code, output } = await hostname(e2e, from, host, port)
    // kubectl tells the command's exit code, and says so.
    expect(codes, output).toContain(code)
  }
}

/** `agnhost connect`: OK, or its word. */
export async function connect(e2e: Namespace, from: string, to: string, protocol = 'tcp'): Promise<string> {
  const { code, output } = await e2e.exec(from, `/agnhost connect --protocol=${protocol} --timeout=3s ${to}`)
  return code === 0 ? 'OK' : output.split('\n')[0]
}

/** `echo hostName | nc -u`: the name that answers by UDP; empty when nobody does. */
export async function udpHostname(e2e: Namespace, from: string, host: string, port: number): Promise<string> {
  return (await e2e.exec(from, `echo hostName | nc -u -w 2 ${host} ${port}`)).output.trim()
}

/** Who stands behind a Service, as slices tell it: pods and their ports. */
export function endpoints(e2e: Namespace, name: string): Record<string, number[]> {
  const slices = e2e.cluster.store.list<EndpointSlice>(
    'EndpointSlice',
    e2e.name,
    ({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === name,
  )
  const found: Record<string, number[]> = {}
  for (const { endpoints: all, ports = [] } of slices) {
    for (const { targetRef, addresses } of all ?? []) {
      const who = targetRef?.name ?? addresses[0]
      found[who] = [...new Set([...(found[who] ?? []), ...ports.map(({ port }) => port ?? 0)])].sort((a, b) => a - b)
    }
  }
  return found
}

/** Pods of a Deployment, by name. */
export function podsOf(e2e: Namespace, name: string): Pod[] {
  return e2e.pods().filter(({ metadata }) => metadata.labels?.name === name)
}

/** A Deployment of servers at port 9376 behind a Service at port 80. Gives its address and the servers' names. */
export async function serve(e2e: Namespace, name: string, replicas: number, spec: object = {}) {
  const ports = [{ port: 80, targetPort: 9376 }]
  e2e.apply(deployment(name, ['serve-hostname', '--port=9376'], replicas), service(name, { name }, ports, spec))
  const names = await running(e2e, name, replicas)
  return { ip: e2e.service(name).spec.clusterIP as string, names, nodePort: nodePort(e2e, name) }
}

/** Waits until so many pods of a Deployment are ready, and gives their names. */
export async function running(e2e: Namespace, name: string, replicas: number): Promise<string[]> {
  await e2e.until(() => podsOf(e2e, name).length >= replicas, `${replicas} pods of ${name}`)
  const names = podsOf(e2e, name).map(({ metadata }) => metadata.name)
  await e2e.ready(...names)
  return names
}

export function nodePort(e2e: Namespace, name: string, port = ''): number {
  const { ports = [] } = e2e.service(name).spec
  return (port === '' ? ports[0] : ports.find((each) => each.name === port))?.nodePort ?? 0
}
