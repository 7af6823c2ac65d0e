/** `kubectl describe` */
import type { KubeObject } from '../api.ts'
import { describeEndpointSlice, describeEndpoints, describeService } from '../describe/network.ts'
import { describeNetworkPolicy } from '../describe/network-policy.ts'
import { describeNode } from '../describe/node.ts'
import { describePod } from '../describe/pod.ts'
import { describeConfigMap, describeEvent, describeNamespace, describeServiceAccount } from '../describe/simple.ts'
import { describeDaemonSet, describeDeployment, describeReplicaSet, describeStatefulSet } from '../describe/workload.ts'
import { fail } from '../failure.ts'
import { nameOf, namespaceOf } from '../field.ts'
import { text, toggle } from '../flags.ts'
import { FILE_FLAGS, readManifests } from '../manifests.ts'
import { type Found, hasSelector, listOf, lookUp, readNames, report, SELECTION_FLAGS } from '../selection.ts'
import type { Command, Session } from '../session.ts'

const DESCRIBERS: Readonly<Record<string, (session: Session, object: KubeObject) => string>> = {
  Pod: describePod,
  Service: describeService,
  Endpoints: describeEndpoints,
  EndpointSlice: describeEndpointSlice,
  NetworkPolicy: describeNetworkPolicy,
  Deployment: describeDeployment,
  ReplicaSet: describeReplicaSet,
  DaemonSet: describeDaemonSet,
  StatefulSet: describeStatefulSet,
  Node: describeNode,
  Namespace: describeNamespace,
  ConfigMap: describeConfigMap,
  ServiceAccount: describeServiceAccount,
  Event: describeEvent,
}

export const describe: Command = {
  name: 'describe',
  flags: [...SELECTION_FLAGS, ...FILE_FLAGS, toggle('show-events'), text('chunk-size')],
  async run(session) {
    const { found, failures } = await targets(session)
    const texts = found.map(({ object }) => DESCRIBERS[object.kind]!(session, object))
    session.out(texts.join('\n\n'))
    if (found.length === 0 && failures.length === 0) {
      session.err(
        session.allNamespaces ? 'No resources found\n' : `No resources found in ${session.namespace} namespace.\n`,
      )
    }
    report(failures)
    return 0
  },
}

async function targets(session: Session): Promise<{ found: readonly Found[]; failures: readonly unknown[] }> {
  if (session.flags.has('filename')) {
    const manifests = await readManifests(session)
    const wanted = manifests.map(({ object, resource }) => {
      return { resource, namespace: namespaceOf(object), name: nameOf(object) }
    })
    return lookUp(session, wanted)
  }
  if (session.args.length === 0) {
    const advice = 'Use "kubectl api-resources" for a complete list of supported resources.'
    fail(`You must specify the type of resource to describe. ${advice}`)
  }
  const { types, targets: named } = readNames(session.args)
  if (named.length > 0 && hasSelector(session)) fail('name cannot be provided when a selector is specified')
  const found: Found[] = types.flatMap((resource) =>
    listOf(session, resource).map((object) => {
      return { resource, object, namespace: namespaceOf(object), name: nameOf(object) }
    }),
  )
  const failures: unknown[] = []
  for (const target of named) {
    const exact = lookUp(session, [{ ...target, namespace: session.scope(target.resource) }])
    if (exact.found.length > 0) found.push(...exact.found)
    else {
      // describe takes the beginning of a name, too.
      const near = listOf(session, target.resource).filter((object) => nameOf(object).startsWith(target.name))
      for (const object of near) {
        found.push({ resource: target.resource, object, namespace: namespaceOf(object), name: nameOf(object) })
      }
      if (near.length === 0) failures.push(...exact.failures)
    }
  }
  return { found, failures }
}
