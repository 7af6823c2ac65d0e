/** Many Deployments that are alike, each with its Service: what a large cluster is filled with. */
import type { KubeObject } from '../objects.ts'

export interface AppsOptions {
  readonly count: number
  /** Pods of each. */
  readonly replicas: number
  /** Over how many namespaces they are spread. */
  readonly namespaces: number
  readonly image: string
  readonly args: readonly string[]
  /** Where its pods serve, and its Service. */
  readonly targetPort: number
  readonly port: number
}

/** Namespaces `apps-001`, … with `app-00001`, …: the first ones get the first apps. */
export function* appsOf(options: AppsOptions): Generator<KubeObject> {
  const { count, replicas, namespaces, image, args, targetPort, port } = options
  const numbered = (front: string, number: number, most: number) =>
    `${front}-${String(number).padStart(String(most).length, '0')}`
  const spaces = Array.from({ length: namespaces }, (_, i) => numbered('apps', i + 1, namespaces))
  for (const name of spaces) yield { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }
  for (let i = 0; i < count; i++) {
    const namespace = spaces[Math.floor((i * namespaces) / count)]
    const name = numbered('app', i + 1, count)
    const labels = { app: name }
    const container = { name: 'main', image, args: [...args], ports: [{ containerPort: targetPort }] }
    yield {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace, labels },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        // Environment variables for each Service of the namespace are more than a container may have.
        template: { metadata: { labels }, spec: { enableServiceLinks: false, containers: [container] } },
      },
    } as KubeObject
    yield {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace, labels },
      spec: { selector: labels, ports: [{ port, targetPort }] },
    } as KubeObject
  }
}
