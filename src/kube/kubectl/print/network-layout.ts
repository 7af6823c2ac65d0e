/** Rows of `kubectl get` for Services, Endpoints, EndpointSlices and NetworkPolicies. */
import type { KubeObject } from '../api.ts'
import { age } from '../duration.ts'
import { at, formatLabels, formatSelector, listAt, mapAt, nameOf, numberAt, textAt } from '../field.ts'
import { columns, type Layout } from './table.ts'

/** Addresses of a load balancer are cut to this in narrow tables. */
const NARROW = 16

export function externalAddresses(service: KubeObject, wide: boolean): string {
  const own = listAt(service, 'spec.externalIPs').map(String)
  switch (textAt(service, 'spec.type')) {
    case 'ExternalName':
      return textAt(service, 'spec.externalName')
    case 'LoadBalancer': {
      const ingress = listAt(service, 'status.loadBalancer.ingress')
      const balanced = ingress.map((entry) => textAt(entry, 'ip') || textAt(entry, 'hostname')).join(',')
      const shown = !wide && balanced.length > NARROW ? `${balanced.slice(0, NARROW - 3)}...` : balanced
      return [shown, ...own].filter((part) => part !== '').join(',') || '<pending>'
    }
    default:
      return own.join(',') || '<none>'
  }
}

export function servicePorts(service: KubeObject): string {
  const ports = listAt(service, 'spec.ports').map((port) => {
    const node = numberAt(port, 'nodePort')
    const middle = node === 0 ? '' : `:${node}`
    return `${numberAt(port, 'port')}${middle}/${textAt(port, 'protocol') || 'TCP'}`
  })
  return ports.join(',') || '<none>'
}

export const serviceLayout: Layout = {
  columns: columns('NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE *SELECTOR'),
  cells(service, clock, wide) {
    const address = textAt(service, 'spec.clusterIP') || String(listAt(service, 'spec.clusterIPs')[0] ?? '')
    return [
      nameOf(service),
      textAt(service, 'spec.type') || 'ClusterIP',
      address || '<none>',
      externalAddresses(service, wide),
      servicePorts(service),
      age(textAt(service, 'metadata.creationTimestamp'), clock),
      formatLabels(mapAt(service, 'spec.selector')),
    ]
  },
}

const MOST_ENDPOINTS = 3

/** `10.244.1.3:80,10.244.2.4:80,10.244.2.5:80 + 1 more...`; ready addresses only. */
export function formatEndpoints(endpoints: unknown, portName: string | null = null): string {
  const found: string[] = []
  for (const subset of listAt(endpoints, 'subsets')) {
    const ports = listAt(subset, 'ports')
    if (ports.length === 0 && portName === null) {
      for (const address of listAt(subset, 'addresses')) found.push(textAt(address, 'ip'))
    }
    for (const port of ports) {
      if (portName !== null && textAt(port, 'name') !== portName) continue
      for (const address of listAt(subset, 'addresses')) {
        found.push(`${textAt(address, 'ip')}:${numberAt(port, 'port')}`)
      }
    }
  }
  return shorten(found)
}

export function shorten(found: readonly string[]): string {
  if (found.length === 0) return '<none>'
  const shown = found.slice(0, MOST_ENDPOINTS).join(',')
  return found.length > MOST_ENDPOINTS ? `${shown} + ${found.length - MOST_ENDPOINTS} more...` : shown
}

export const endpointsLayout: Layout = {
  columns: columns('NAME ENDPOINTS AGE'),
  cells(endpoints, clock) {
    const created = textAt(endpoints, 'metadata.creationTimestamp')
    return [nameOf(endpoints), formatEndpoints(endpoints), age(created, clock)]
  },
}

function shortList(found: readonly string[]): string {
  return found.length === 0 ? '<unset>' : shorten(found)
}

export const endpointSliceLayout: Layout = {
  columns: columns('NAME ADDRESSTYPE PORTS ENDPOINTS AGE'),
  cells(slice, clock) {
    const ports = listAt(slice, 'ports').map((port) => (at(port, 'port') ? textAt(port, 'port') : '*'))
    const addresses = listAt(slice, 'endpoints').flatMap((endpoint) => listAt(endpoint, 'addresses').map(String))
    return [
      nameOf(slice),
      textAt(slice, 'addressType'),
      shortList(ports),
      shortList(addresses),
      age(textAt(slice, 'metadata.creationTimestamp'), clock),
    ]
  },
}

export const networkPolicyLayout: Layout = {
  columns: columns('NAME POD-SELECTOR AGE'),
  cells(policy, clock) {
    const created = textAt(policy, 'metadata.creationTimestamp')
    return [nameOf(policy), formatSelector(at(policy, 'spec.podSelector')), age(created, clock)]
  },
}
