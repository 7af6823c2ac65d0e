/** `kubectl create service …` and `kubectl expose`. */
import type { KubeObject } from '../api.ts'
import { CREATION_FLAGS, createObject, parseLabels, parsePort, portOrName } from '../creation.ts'
import { fail, usage } from '../failure.ts'
import { at, copyOf, isMap, listAt, mapAt, nameOf, namespaceOf, numberAt, textAt } from '../field.ts'
import { list, text, unmodelled } from '../flags.ts'
import { FILE_FLAGS, readManifests } from '../manifests.ts'
import { lookUp, readNames, type Target } from '../selection.ts'
import type { Command, Session } from '../session.ts'
import { oneName } from './create-kinds.ts'

function createService(type: string): Command {
  return {
    name: `create service ${type.toLowerCase()}`,
    flags: [...CREATION_FLAGS, list('tcp'), text('clusterip'), text('node-port'), text('external-name')],
    run(session) {
      const name = oneName(session)
      const headless = session.flags.text('clusterip')
      const external = session.flags.text('external-name')
      const ports = session.flags.all('tcp').map((pair) => tcpPort(session, pair))
      if (type === 'ExternalName') {
        if (external === null) fail('required flag(s) "external-name" not set')
      } else if (ports.length === 0 && headless !== 'None')
        usage(session.command, 'at least one tcp port specifier must be provided')
      createObject(session, {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name, namespace: session.namespace, labels: { app: name } },
        spec: {
          type,
          selector: { app: name },
          ...(ports.length > 0 ? { ports } : {}),
          ...(headless !== null ? { clusterIP: headless } : {}),
          ...(type === 'ExternalName' ? { externalName: external } : {}),
        },
      } as unknown as KubeObject)
      return 0
    },
  }
}

export const createClusterIp = createService('ClusterIP')
export const createNodePort = createService('NodePort')
export const createLoadBalancer = createService('LoadBalancer')
export const createExternalName = createService('ExternalName')

/** `5678:8080` or `80`. */
function tcpPort(session: Session, pair: string): object {
  const [port, target = port] = pair.split(':')
  const nodePort = session.flags.text('node-port')
  return {
    name: pair.replace(':', '-'),
    port: parsePort(port!, 'tcp'),
    protocol: 'TCP',
    targetPort: portOrName(target!),
    ...(nodePort !== null && nodePort !== '0' ? { nodePort: parsePort(nodePort, 'node-port') } : {}),
  }
}

const EXPOSED = ['Pod', 'Service', 'Deployment', 'ReplicaSet']

export const expose: Command = {
  name: 'expose',
  flags: [
    ...CREATION_FLAGS,
    ...FILE_FLAGS,
    text('port'),
    text('target-port'),
    text('protocol'),
    text('type'),
    text('name'),
    text('labels', 'l'),
    text('selector'),
    text('cluster-ip'),
    text('external-ip'),
    text('session-affinity'),
    ...unmodelled('overrides', 'override-type', 'load-balancer-ip'),
  ],
  async run(session) {
    const { found, failures } = lookUp(session, await exposed(session))
    if (failures.length > 0) throw failures[0]
    for (const { object, resource } of found) {
      if (!EXPOSED.includes(resource.kind)) {
        fail(`cannot expose a ${resource.kind}.${resource.group === '' ? '' : `${resource.group}`}`)
      }
      createObject(session, serviceFor(session, object), 'exposed')
    }
    return 0
  },
}

/** --selector is the new Service's here, not a choice among objects. */
async function exposed(session: Session): Promise<Target[]> {
  if (session.flags.has('filename')) {
    const manifests = await readManifests(session)
    return manifests.map(({ object, resource }) => {
      return { resource, namespace: namespaceOf(object), name: nameOf(object) }
    })
  }
  const { types, targets } = readNames(session.args)
  if (types.length > 0) fail('resource(s) were provided, but no name was specified')
  if (targets.length === 0) fail('You must provide one or more resources by argument or filename')
  return targets.map((target) => ({ ...target, namespace: session.scope(target.resource) }))
}

function serviceFor(session: Session, object: KubeObject): KubeObject {
  const name = session.flags.text('name') ?? textAt(object, 'metadata.name')
  const labels = session.flags.text('labels')
  const type = session.flags.text('type') ?? 'ClusterIP'
  const affinity = session.flags.text('session-affinity')
  const address = session.flags.text('cluster-ip')
  const external = session.flags.text('external-ip')
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name,
      namespace: session.namespace,
      labels: labels === null ? copyOf(mapAt(object, 'metadata.labels')) : parseLabels(labels),
    },
    spec: {
      type,
      selector: selectorFor(session, object),
      ports: exposedPorts(session, object),
      ...(affinity !== null ? { sessionAffinity: affinity } : {}),
      ...(address !== null ? { clusterIP: address } : {}),
      ...(external !== null ? { externalIPs: [external] } : {}),
    },
  } as unknown as KubeObject
}

function selectorFor(session: Session, object: KubeObject): Record<string, string> {
  const given = session.flags.text('selector')
  if (given !== null) return parseLabels(given)
  if (object.kind === 'Pod') {
    const labels = mapAt(object, 'metadata.labels')
    if (Object.keys(labels).length === 0) {
      fail(
        "couldn't retrieve selectors via --selector flag or introspection: the pod has no labels and cannot be exposed",
      )
    }
    return copyOf(labels)
  }
  const selector = at(object, 'spec.selector')
  const labels =
    isMap(selector) && 'matchLabels' in selector ? mapAt(selector, 'matchLabels') : mapAt(object, 'spec.selector')
  if (Object.keys(labels).length === 0) {
    fail("couldn't retrieve selectors via --selector flag or introspection: the service has no pod selector set")
  }
  return copyOf(labels)
}

function exposedPorts(session: Session, object: KubeObject): object[] {
  const protocol = session.flags.text('protocol')
  const target = session.flags.text('target-port')
  const given = session.flags.text('port')
  const ports = given === null ? declaredPorts(object) : given.split(',').map((port) => parsePort(port, 'port'))
  if (ports.length === 0) usage('expose', "couldn't find port via --port flag or introspection")
  return ports.map((port, index) => ({
    ...(ports.length > 1 ? { name: `port-${index + 1}` } : {}),
    port,
    protocol: protocol ?? 'TCP',
    targetPort: target === null ? port : portOrName(target),
  }))
}

function declaredPorts(object: KubeObject): number[] {
  if (object.kind === 'Service') return listAt(object, 'spec.ports').map((port) => numberAt(port, 'port'))
  const spec = object.kind === 'Pod' ? 'spec' : 'spec.template.spec'
  return listAt(object, `${spec}.containers`).flatMap((container) =>
    listAt(container, 'ports').map((port) => numberAt(port, 'containerPort')),
  )
}
