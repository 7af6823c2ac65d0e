/** `kubectl describe service|endpoints|endpointslice` */
import type { KubeObject } from '../api.ts'
import { at, formatLabels, listAt, mapAt, nameOf, namespaceOf, numberAt, textAt } from '../field.ts'
import { formatEndpoints, shorten } from '../print/network-layout.ts'
import type { Session } from '../session.ts'
import { describeEvents } from './events.ts'
import { Description, orNone } from './text.ts'

export function describeService(session: Session, service: KubeObject): string {
  const into = new Description()
  const field = (title: string, path: string): void => into.line(0, `${title}:\t${textAt(service, path)}`)
  const optional = (title: string, path: string): void => {
    if (textAt(service, path) !== '') field(title, path)
  }
  const joined = (path: string): string => orNone(listAt(service, path).join(','))
  into.head(service)
  into.labels('Labels', mapAt(service, 'metadata.labels'))
  into.annotations(service)
  into.line(0, `Selector:\t${formatLabels(mapAt(service, 'spec.selector'))}`)
  field('Type', 'spec.type')
  optional('IP Family Policy', 'spec.ipFamilyPolicy')
  into.line(0, `IP Families:\t${joined('spec.ipFamilies')}`)
  field('IP', 'spec.clusterIP')
  into.line(0, `IPs:\t${joined('spec.clusterIPs')}`)
  if (listAt(service, 'spec.externalIPs').length > 0) into.line(0, `External IPs:\t${joined('spec.externalIPs')}`)
  optional('Desired LoadBalancer IP', 'spec.loadBalancerIP')
  optional('External Name', 'spec.externalName')
  const ingress = listAt(service, 'status.loadBalancer.ingress').map((entry) => {
    const mode = textAt(entry, 'ipMode')
    return `${textAt(entry, 'ip') || textAt(entry, 'hostname')}${mode === '' ? '' : ` (${mode})`}`
  })
  if (ingress.length > 0) into.line(0, `LoadBalancer Ingress:\t${ingress.join(', ')}`)
  for (const port of listAt(service, 'spec.ports')) describePort(session, service, port, into)
  field('Session Affinity', 'spec.sessionAffinity')
  optional('External Traffic Policy', 'spec.externalTrafficPolicy')
  optional('Internal Traffic Policy', 'spec.internalTrafficPolicy')
  optional('Traffic Distribution', 'spec.trafficDistribution')
  const check = numberAt(service, 'spec.healthCheckNodePort')
  if (check !== 0) into.line(0, `HealthCheck NodePort:\t${check}`)
  const ranges = listAt(service, 'spec.loadBalancerSourceRanges')
  if (ranges.length > 0) into.line(0, `LoadBalancer Source Ranges:\t${ranges.join(',')}`)
  describeEvents(session, service, into)
  return into.toString()
}

function describePort(session: Session, service: KubeObject, port: unknown, into: Description): void {
  const name = textAt(port, 'name') || '<unset>'
  const protocol = textAt(port, 'protocol') || 'TCP'
  into.line(0, `Port:\t${name}\t${numberAt(port, 'port')}/${protocol}`)
  const target = at(port, 'targetPort') ?? at(port, 'port')
  into.line(0, `TargetPort:\t${target}/${protocol}`)
  const node = numberAt(port, 'nodePort')
  if (node !== 0) into.line(0, `NodePort:\t${name}\t${node}/${protocol}`)
  into.line(0, `Endpoints:\t${endpointsOf(session, service, textAt(port, 'name'))}`)
}

/** From the EndpointSlices, as kubectl reads them; a Service whose Endpoints are hand-written may have no slice yet. */
function endpointsOf(session: Session, service: KubeObject, port: string): string {
  const namespace = namespaceOf(service)
  const slices = session.cluster.list('EndpointSlice', namespace).filter((slice) => {
    return mapAt(slice, 'metadata.labels')['kubernetes.io/service-name'] === nameOf(service)
  })
  if (slices.length === 0) {
    const endpoints = session.cluster.get('Endpoints', namespace, nameOf(service))
    return endpoints === null ? '<none>' : formatEndpoints(endpoints, port)
  }
  const found: string[] = []
  for (const slice of slices) {
    for (const slicePort of listAt(slice, 'ports')) {
      if (textAt(slicePort, 'name') !== port) continue
      for (const endpoint of listAt(slice, 'endpoints')) {
        if (at(endpoint, 'conditions.ready') === false) continue
        for (const address of listAt(endpoint, 'addresses')) found.push(`${address}:${numberAt(slicePort, 'port')}`)
      }
    }
  }
  return found.length === 0 ? '' : shorten(found)
}

function describePortTable(ports: readonly unknown[], level: number, into: Description): void {
  into.line(level, 'Ports:')
  into.line(level + 1, 'Name\tPort\tProtocol')
  into.line(level + 1, '----\t----\t--------')
  for (const port of ports) {
    const name = textAt(port, 'name') || '<unset>'
    into.line(level + 1, `${name}\t${textAt(port, 'port') || '<unset>'}\t${textAt(port, 'protocol') || 'TCP'}`)
  }
}

export function describeEndpoints(session: Session, endpoints: KubeObject): string {
  const into = new Description()
  into.head(endpoints)
  into.labels('Labels', mapAt(endpoints, 'metadata.labels'))
  into.annotations(endpoints)
  into.line(0, 'Subsets:')
  for (const subset of listAt(endpoints, 'subsets')) {
    const addresses = (field: string): string =>
      orNone(
        listAt(subset, field)
          .map((address) => textAt(address, 'ip'))
          .join(','),
      )
    into.line(1, `Addresses:\t${addresses('addresses')}`)
    into.line(1, `NotReadyAddresses:\t${addresses('notReadyAddresses')}`)
    const ports = listAt(subset, 'ports')
    if (ports.length > 0) describePortTable(ports, 1, into)
    into.line(0, '')
  }
  describeEvents(session, endpoints, into)
  return into.toString()
}

export function describeEndpointSlice(session: Session, slice: KubeObject): string {
  const into = new Description()
  into.head(slice)
  into.labels('Labels', mapAt(slice, 'metadata.labels'))
  into.annotations(slice)
  into.line(0, `AddressType:\t${textAt(slice, 'addressType')}`)
  const ports = listAt(slice, 'ports')
  if (ports.length === 0) into.line(0, 'Ports: <unset>')
  else describePortTable(ports, 0, into)
  const endpoints = listAt(slice, 'endpoints')
  if (endpoints.length === 0) into.line(0, 'Endpoints: <none>')
  else into.line(0, 'Endpoints:')
  for (const endpoint of endpoints) {
    into.line(1, `- Addresses:\t${listAt(endpoint, 'addresses').join(', ')}`)
    into.line(2, 'Conditions:')
    const ready = at(endpoint, 'conditions.ready')
    into.line(3, `Ready:\t${ready === undefined ? '<unset>' : String(ready)}`)
    into.line(2, `Hostname:\t${textAt(endpoint, 'hostname') || '<unset>'}`)
    const target = at(endpoint, 'targetRef')
    if (target !== undefined) into.line(2, `TargetRef:\t${textAt(target, 'kind')}/${textAt(target, 'name')}`)
    into.line(2, `NodeName:\t${textAt(endpoint, 'nodeName') || '<unset>'}`)
    into.line(2, `Zone:\t${textAt(endpoint, 'zone') || '<unset>'}`)
  }
  describeEvents(session, slice, into)
  return into.toString()
}
