/** `kubectl describe networkpolicy` */
import type { KubeObject } from '../api.ts'
import { at, formatSelector, listAt, mapAt, textAt } from '../field.ts'
import type { Session } from '../session.ts'
import { Description } from './text.ts'

const NOBODY = '<none> (Allowing the specific traffic to all pods in this namespace)'

interface Direction {
  readonly word: 'ingress' | 'egress'
  readonly type: string
  /** The rules' key of the peers, and its heading. */
  readonly key: 'from' | 'to'
  readonly heading: 'From' | 'To'
  readonly side: 'source' | 'destination'
}

const DIRECTIONS: readonly Direction[] = [
  { word: 'ingress', type: 'Ingress', key: 'from', heading: 'From', side: 'source' },
  { word: 'egress', type: 'Egress', key: 'to', heading: 'To', side: 'destination' },
]

export function describeNetworkPolicy(_session: Session, policy: KubeObject): string {
  const into = new Description()
  into.head(policy)
  const created = textAt(policy, 'metadata.creationTimestamp').replace('T', ' ').replace('Z', ' +0000 UTC')
  into.line(0, `Created on:\t${created}`)
  into.labels('Labels', mapAt(policy, 'metadata.labels'))
  into.annotations(policy)
  into.line(0, 'Spec:')
  const selector = formatSelector(at(policy, 'spec.podSelector'))
  into.line(1, `PodSelector:     ${selector === '<none>' ? NOBODY : selector}`)
  const types = listAt(policy, 'spec.policyTypes').map(String)
  for (const direction of DIRECTIONS) {
    const { word, type } = direction
    if (!types.includes(type)) into.line(1, `Not affecting ${word} traffic`)
    else {
      into.line(1, `Allowing ${word} traffic:`)
      describeRules(listAt(policy, `spec.${word}`), direction, into)
    }
  }
  into.line(1, `Policy Types: ${types.join(', ')}`)
  return into.toString()
}

function describeRules(rules: readonly unknown[], direction: Direction, into: Description): void {
  const { word, key, heading, side } = direction
  if (rules.length === 0) into.line(2, `<none> (Selected pods are isolated for ${word} connectivity)`)
  rules.forEach((rule, i) => {
    const ports = listAt(rule, 'ports')
    if (ports.length === 0) into.line(2, 'To Port: <any> (traffic allowed to all ports)')
    for (const port of ports) {
      into.line(2, `To Port: ${at(port, 'port') ?? '<nil>'}/${textAt(port, 'protocol') || 'TCP'}`)
    }
    const peers = listAt(rule, key)
    if (peers.length === 0) into.line(2, `${heading}: <any> (traffic not restricted by ${side})`)
    for (const peer of peers) {
      into.line(2, `${heading}:`)
      describePeer(peer, into)
    }
    if (i < rules.length - 1) into.line(2, '----------')
  })
}

function describePeer(peer: unknown, into: Description): void {
  const [pods, namespaces, block] = ['podSelector', 'namespaceSelector', 'ipBlock'].map((key) => at(peer, key))
  if (namespaces !== undefined) into.line(3, `NamespaceSelector: ${formatSelector(namespaces)}`)
  if (pods !== undefined) into.line(3, `PodSelector: ${formatSelector(pods)}`)
  if (block === undefined) return
  into.line(3, 'IPBlock:')
  into.line(4, `CIDR: ${textAt(block, 'cidr')}`)
  into.line(4, `Except: ${listAt(block, 'except').join(', ')}`)
}
