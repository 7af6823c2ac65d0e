/**
 * NodeLocal DNSCache (github.com/kubernetes/dns, cmd/node-cache 1.23): a CoreDNS on every node that listens on
 * 169.254.20.10 and on the cluster DNS Service's own address, both on the dummy device nodelocaldns. Rules in the raw
 * table keep conntrack, and with it kube-proxy's DNAT, away from them; what is not cached goes to CoreDNS by TCP through
 * the Service kube-dns-upstream.
 */
import type { Process, Program } from '../host/process.ts'
import type { KubeObject } from './objects.ts'

export const NODE_LOCAL_IMAGE = 'registry.k8s.io/dns/k8s-dns-node-cache'
const VERSION = '1.23.1'
const LOCAL = '169.254.20.10'
const DEVICE = 'nodelocaldns'
const SKIP = 'NodeLocal DNS Cache: skip conntrack'
const ALLOW = 'NodeLocal DNS Cache: allow DNS traffic'
const HEALTH = '8080'

/** kubeadm has none; this is the add-on's manifest with its blanks filled. */
function corefile(dns: string, domain: string): string {
  const block = (zone: string, cache: string, upstream: string) => `${zone}:53 {
    errors
    ${cache}
    reload
    loop
    bind ${LOCAL} ${dns}
    forward . ${upstream}
    prometheus :9253
}
`
  const toCluster = '__PILLAR__CLUSTER__DNS__ {\n            force_tcp\n    }'
  const cached = 'cache {\n            success 9984 30\n            denial 9984 5\n    }'
  return [
    block(domain, cached, toCluster),
    block('in-addr.arpa', 'cache 30', toCluster),
    block('ip6.arpa', 'cache 30', toCluster),
    block('.', 'cache 30', '__PILLAR__UPSTREAM__SERVERS__'),
  ].join('')
}

export function nodeLocalObjects(dns: string, domain: string): KubeObject[] {
  const labels = { 'k8s-app': 'node-local-dns' }
  const namespace = 'kube-system'
  const ports = [
    { name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 },
    { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: 53 },
  ]
  const upstream = { name: 'kube-dns-upstream', namespace, labels: { 'k8s-app': 'kube-dns' } }
  const container = {
    name: 'node-cache',
    image: `${NODE_LOCAL_IMAGE}:${VERSION}`,
    imagePullPolicy: 'IfNotPresent',
    args: ['-localip', `${LOCAL},${dns}`, '-conf', '/etc/Corefile', '-upstreamsvc', 'kube-dns-upstream'],
    volumeMounts: [{ name: 'config-volume', mountPath: '/etc/coredns' }],
  }
  const items = [{ key: 'Corefile', path: 'Corefile.base' }]
  return [
    { apiVersion: 'v1', kind: 'Service', metadata: upstream, spec: { ports, selector: { 'k8s-app': 'kube-dns' } } },
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'node-local-dns', namespace },
      data: { Corefile: corefile(dns, domain) },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: { name: 'node-local-dns', namespace, labels },
      spec: {
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            priorityClassName: 'system-node-critical',
            hostNetwork: true,
            dnsPolicy: 'Default',
            tolerations: [{ operator: 'Exists' }],
            containers: [container],
            volumes: [{ name: 'config-volume', configMap: { name: 'node-local-dns', items } }],
          },
        },
      },
    },
  ]
}

/** Rules for one address, in the order in which node-cache puts each in front of the others. */
function rulesFor(address: string): string[][] {
  const rules: string[][] = []
  const add = (table: string, chain: string, match: string[], target: string) => {
    const comment = ['-m', 'comment', '--comment', target === 'NOTRACK' ? SKIP : ALLOW]
    rules.push(['-t', table, '-I', chain, ...match, ...comment, '-j', target])
  }
  const both = (table: string, chain: string, side: '-d' | '-s', target: string) => {
    const port = side === '-d' ? '--dport' : '--sport'
    for (const protocol of ['tcp', 'udp']) add(table, chain, [side, address, '-p', protocol, port, '53'], target)
  }
  both('raw', 'PREROUTING', '-d', 'NOTRACK')
  both('filter', 'INPUT', '-d', 'ACCEPT')
  both('raw', 'OUTPUT', '-s', 'NOTRACK')
  both('filter', 'OUTPUT', '-s', 'ACCEPT')
  both('raw', 'OUTPUT', '-d', 'NOTRACK')
  add('raw', 'OUTPUT', ['-d', address, '-p', 'tcp', '--dport', HEALTH], 'NOTRACK')
  add('raw', 'OUTPUT', ['-s', address, '-p', 'tcp', '--sport', HEALTH], 'NOTRACK')
  return rules
}

/** The device, the rules, and then CoreDNS with the Corefile's blanks filled. */
export function nodeCache(coredns: Program): Program {
  return async (self) => {
    const at = (flag: string) => self.args[self.args.indexOf(flag) + 1]
    const addresses = at('-localip').split(',')
    const service = at('-upstreamsvc').toUpperCase().replaceAll('-', '_')
    const upstream = self.env[`${service}_SERVICE_HOST`]
    if (upstream === undefined) {
      self.out(`[ERROR] Failed to find the Service ${at('-upstreamsvc')}\n`)
      return 1
    }
    await prepare(self, addresses)
    const base = self.place.files.get('/etc/coredns/Corefile.base') ?? ''
    const text = base
      .replaceAll('__PILLAR__CLUSTER__DNS__', upstream)
      .replaceAll('__PILLAR__UPSTREAM__SERVERS__', '/etc/resolv.conf')
    self.place.files.set(at('-conf'), text)
    return coredns(self)
  }
}

async function prepare(self: Process, addresses: readonly string[]): Promise<void> {
  const quiet = { out: () => {}, err: () => {} }
  await self.run(['ip', 'link', 'add', DEVICE, 'type', 'dummy'], quiet)
  for (const address of addresses) await self.run(['ip', 'addr', 'add', `${address}/32`, 'dev', DEVICE], quiet)
  self.out(`[INFO] Added interface - ${DEVICE}\n`)
  for (const address of addresses) {
    for (const rule of rulesFor(address)) {
      const check = rule.map((word) => (word === '-I' ? '-C' : word))
      if ((await self.run(['iptables', ...check], quiet)) === 0) continue
      const failed = await self.run(['iptables', ...rule], { err: (text) => self.out(text) })
      if (failed !== 0) self.out(`[ERROR] Error checking/adding iptables rule ${rule.join(' ')}\n`)
    }
  }
}
