/** DNS (dns.go, dns_common.go, dns_configmap.go): the records of the cluster, and what pods are told to ask. */
import { expect } from 'vitest'
import type { ConfigMap, KubeObject, Pod } from '../../src/kube/objects.ts'
import { answers, serve } from './reach.ts'
import {
  AGNHOST,
  agnhost,
  container,
  DNSUTILS,
  execPod,
  type Namespace,
  pod,
  type Said,
  section,
  service,
} from './suite.ts'

/** Two clients, musl's and glibc's, in one pod, as the cases have them. */
const CLIENTS = ['querier', 'jessie-querier']

function prober(name: string, spec: object = {}, labels = {}) {
  const containers = [
    container('querier', ['pause']),
    { name: 'jessie-querier', image: DNSUTILS, command: ['sleep', '1000000'] },
  ]
  return pod(name, containers, spec, labels)
}

section('DNS', {}, (test) => {
  test('should provide DNS for the cluster', async (e2e) => {
    const [{ status }] = await e2e.start(prober('dns-test'))
    await finds(e2e, ['kubernetes.default.svc.cluster.local'])
    await names(e2e, status.podIP as string)
  })

  test('should provide DNS for services', async (e2e) => {
    e2e.apply(service('dns-test-service', { 'dns-test': 'true' }, HTTP, { clusterIP: 'None' }))
    e2e.apply(service('test-service-2', { 'dns-test': 'true' }, HTTP))
    const [made] = await e2e.start(prober('dns-test', {}, { 'dns-test': 'true' }))
    const base = `${e2e.name}.svc.cluster.local`
    const { clusterIP = '' } = e2e.service('test-service-2').spec
    await finds(e2e, [`dns-test-service.${base}`, `test-service-2.${base}`])
    await serves(e2e, [`_http._tcp.dns-test-service.${base}`, `_http._tcp.test-service-2.${base}`])
    expect(await address(e2e, `dns-test-service.${base}`)).toBe(made.status.podIP)
    expect(await address(e2e, `test-service-2.${base}`)).toBe(clusterIP)
    // Backwards, too.
    expect(await short(e2e, `-x ${clusterIP}`)).toBe(`test-service-2.${base}.`)
    expect(await short(e2e, `-x ${made.status.podIP}`)).toContain(`dns-test-service.${base}.`)
  })

  test('should resolve DNS of partial qualified names for services', async (e2e) => {
    e2e.apply(service('dns-test-service', { 'dns-test': 'true' }, HTTP, { clusterIP: 'None' }))
    e2e.apply(service('test-service-2', { 'dns-test': 'true' }, HTTP))
    await e2e.start(prober('dns-test', {}, { 'dns-test': 'true' }))
    await finds(e2e, partial('dns-test-service', e2e.name))
    await serves(e2e, [`_http._tcp.dns-test-service.${e2e.name}.svc`, `_http._tcp.test-service-2.${e2e.name}.svc`])
  })

  test('should resolve DNS of partial qualified names for the cluster', async (e2e) => {
    await e2e.start(prober('dns-test'))
    await finds(e2e, ['kubernetes.default', 'kubernetes.default.svc', 'kubernetes.default.svc.cluster.local'])
  })

  test('DNS HostNetwork should resolve DNS of partial qualified names for services on hostNetwork pods with dnsPolicy: ClusterFirstWithHostNet', async (e2e) => {
    e2e.apply(service('dns-test-service', { 'dns-test': 'true' }, HTTP, { clusterIP: 'None' }))
    const spec = { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' }
    await e2e.start(prober('dns-test', spec, { 'dns-test': 'true' }))
    await finds(e2e, partial('dns-test-service', e2e.name))
  })

  test('should provide DNS for pods for Hostname', async (e2e) => {
    e2e.apply(service('dns-test-service-2', { hostname: 'yes' }, HTTP, { clusterIP: 'None' }))
    const spec = { hostname: 'dns-querier-2', subdomain: 'dns-test-service-2' }
    const [{ status }] = await e2e.start(prober('dns-test', spec, { hostname: 'yes' }))
    const full = `dns-querier-2.dns-test-service-2.${e2e.name}.svc.cluster.local`
    await hosts(e2e, [full, 'dns-querier-2'])
    expect(await address(e2e, full)).toBe(status.podIP)
  })

  test('should provide DNS for pods for Subdomain', async (e2e) => {
    e2e.apply(service('dns-test-service-2', { hostname: 'yes' }, HTTP, { clusterIP: 'None' }))
    const spec = { hostname: 'dns-querier-2', subdomain: 'dns-test-service-2' }
    await e2e.start(prober('dns-test', spec, { hostname: 'yes' }))
    const base = `dns-test-service-2.${e2e.name}.svc.cluster.local`
    await finds(e2e, [`dns-querier-2.${base}`, base])
  })

  test('should provide DNS for ExternalName services', async (e2e) => {
    const external = { type: 'ExternalName', externalName: 'foo.example.com' }
    e2e.apply(service('dns-test-service-3', null, [], external))
    await e2e.start(prober('dns-test'))
    const full = `dns-test-service-3.${e2e.name}.svc.cluster.local`
    expect(await short(e2e, `${full} CNAME`)).toBe('foo.example.com.')
    await e2e.kubectl(`patch service dns-test-service-3 -p '{"spec":{"externalName":"bar.example.com"}}'`)
    // CoreDNS keeps answers for 30 s.
    await e2e.run(31)
    expect(await short(e2e, `${full} CNAME`)).toBe('bar.example.com.')
    const spec = { type: 'ClusterIP', externalName: null, ports: [{ name: 'http', port: 80 }] }
    await e2e.kubectl(`patch service dns-test-service-3 --type=merge -p '${JSON.stringify({ spec })}'`)
    await e2e.run(31)
    expect(await short(e2e, `${full} A`)).toBe(e2e.service('dns-test-service-3').spec.clusterIP)
  })

  test('should provide /etc/hosts entries for the cluster', async (e2e) => {
    const [{ status }] = await e2e.start(
      prober('dns-test', { hostname: 'dns-querier-1', subdomain: 'dns-test-service' }),
    )
    await hosts(e2e, [`dns-querier-1.dns-test-service.${e2e.name}.svc.cluster.local`, 'dns-querier-1'])
    expect((await ask(e2e, 'querier', 'cat /etc/hosts')).output).toContain(`${status.podIP}\tdns-querier-1.`)
  })

  test('should support configurable pod DNS nameservers', async (e2e) => {
    const dnsConfig = { nameservers: ['1.1.1.1'], searches: ['resolv.conf.local'] }
    await e2e.start(agnhost('dns-test', ['pause'], { dnsPolicy: 'None', dnsConfig }))
    expect((await e2e.exec('dns-test', '/agnhost dns-suffix')).output).toContain('resolv.conf.local')
    expect((await e2e.exec('dns-test', '/agnhost dns-server-list')).output).toContain('1.1.1.1')
  })

  test('should support configurable pod resolv.conf', async (e2e) => {
    // A name server of one's own in a pod; it knows one name.
    const server = await nameserver(e2e, { 'notexistname.resolv.conf.local': '2.2.2.2' })
    const dnsConfig = {
      nameservers: [server.status.podIP as string],
      searches: ['resolv.conf.local'],
      options: [{ name: 'ndots', value: '2' }],
    }
    await e2e.start(prober('e2e-dns-utils', { dnsPolicy: 'None', dnsConfig }))
    const { output } = await e2e.exec('e2e-dns-utils', 'cat /etc/resolv.conf', 'jessie-querier')
    expect(output).toBe(`search resolv.conf.local\nnameserver ${server.status.podIP}\noptions ndots:2\n`)
    const dug = await e2e.exec('e2e-dns-utils', 'dig +short +search notexistname', 'jessie-querier')
    expect(dug.output).toBe('2.2.2.2\n')
  })

  test('DNS configMap nameserver Forward PTR lookup should forward PTR records lookup to upstream nameserver', async (e2e) => {
    const server = await nameserver(e2e, { 'my.test': '192.0.2.123' })
    await e2e.start(prober('dns-test'))
    expect(await short(e2e, '-x 192.0.2.123')).toBe('')
    await corefile(e2e, cluster(`forward . ${server.status.podIP}`), async () => {
      expect(await short(e2e, '-x 192.0.2.123')).toBe('my.test.')
    })
    expect(await short(e2e, '-x 192.0.2.123')).toBe('')
  })

  test('DNS configMap nameserver Forward external name lookup should forward externalname lookup to upstream nameserver', async (e2e) => {
    const server = await nameserver(e2e, { 'dns-externalname-upstream-test': '203.0.113.50' })
    const external = { type: 'ExternalName', externalName: 'dns.google' }
    const local = { type: 'ExternalName', externalName: 'dns-externalname-upstream-test' }
    e2e.apply(service('dns-externalname', null, [], external), service('dns-externalname-local', null, [], local))
    await e2e.start(prober('dns-test'))
    const full = (name: string) => `${name}.${e2e.name}.svc.cluster.local`
    expect(await short(e2e, full('dns-externalname'))).toBe('dns.google.\n8.8.8.8')
    await corefile(e2e, cluster(`forward . ${server.status.podIP}`), async () => {
      expect(await short(e2e, full('dns-externalname-local'))).toBe('dns-externalname-upstream-test.\n203.0.113.50')
    })
    expect(await short(e2e, full('dns-externalname'))).toBe('dns.google.\n8.8.8.8')
  })

  test('DNS configMap nameserver Change stubDomain should be able to change stubDomain configuration', async (e2e) => {
    const server = await nameserver(e2e, {
      'abc.acme.local': '1.1.1.1',
      'def.acme.local': '2.2.2.2',
      'widget.local': '3.3.3.3',
    })
    await e2e.start(prober('dns-test'))
    const stub = `acme.local:53 {\n forward . ${server.status.podIP}\n}\n`
    const asked = async () => [
      await short(e2e, 'abc.acme.local'),
      await short(e2e, 'def.acme.local'),
      await short(e2e, 'widget.local'),
    ]
    await corefile(e2e, `${cluster('forward . /etc/resolv.conf')}${stub}`, async () => {
      expect(await asked()).toEqual(['1.1.1.1', '2.2.2.2', ''])
    })
    expect(await asked()).toEqual(['', '', ''])
  })

  test('should work with the pod containing more than 6 DNS search paths and longer than 256 search list characters', async (e2e) => {
    const base = `${e2e.name}.svc.cluster.local`
    const searches = [1, 2, 3, 4, 5, 6, 7].map((i) => `${String(i).repeat(50)}.${base}`)
    e2e.apply(service('dns-test-service', { 'dns-test': 'true' }, HTTP, { clusterIP: 'None' }))
    const dnsConfig = { searches, options: [{ name: 'ndots', value: '5' }] }
    await e2e.start(prober('dns-test', { dnsPolicy: 'ClusterFirst', dnsConfig }, { 'dns-test': 'true' }))
    await finds(e2e, partial('dns-test-service', e2e.name))
  })

  test('ClusterDns should create pod that uses dns', async (e2e) => {
    const { names: backends } = await serve(e2e, 'dns-backend', 1)
    await e2e.start(execPod('dns-frontend'))
    // The example's front end waits for the name, and asks there.
    const name = `dns-backend.${e2e.name}.svc.cluster.local`
    expect((await e2e.exec('dns-frontend', `nslookup ${name}`)).code).toBe(0)
    await answers(e2e, 'dns-frontend', name, 80, backends)
  })
})

const HTTP = [{ name: 'http', port: 80, protocol: 'TCP' }]

function partial(name: string, namespace: string): string[] {
  return [name, `${name}.${namespace}`, `${name}.${namespace}.svc`]
}

function ask(e2e: Namespace, client: string, line: string): Promise<Said> {
  return e2e.exec('dns-test', line, client)
}

/** Each name has an address, by UDP and by TCP, for both clients. */
async function finds(e2e: Namespace, wanted: readonly string[]): Promise<void> {
  await digs(e2e, wanted, 'A')
}

async function serves(e2e: Namespace, wanted: readonly string[]): Promise<void> {
  await digs(e2e, wanted, 'SRV')
}

async function digs(e2e: Namespace, wanted: readonly string[], type: string): Promise<void> {
  for (const name of wanted) {
    for (const client of CLIENTS) {
      for (const how of ['+notcp', '+tcp']) {
        const line = `check="$(dig ${how} +noall +answer +search ${name} ${type})" && test -n "$check" && echo OK`
        expect({ name, client, how, ...(await ask(e2e, client, line)) }).toMatchObject({ code: 0, output: 'OK\n' })
      }
    }
  }
}

/** Each name is in the hosts file, as getent finds it. */
async function hosts(e2e: Namespace, wanted: readonly string[]): Promise<void> {
  for (const name of wanted) {
    const line = `test -n "$(getent hosts ${name})" && echo OK`
    for (const client of CLIENTS) expect({ name, ...(await ask(e2e, client, line)) }).toMatchObject({ output: 'OK\n' })
  }
}

/** The pod's own record and its address's name. */
async function names(e2e: Namespace, ip: string): Promise<void> {
  const record = `${ip.replaceAll('.', '-')}.${e2e.name}.pod.cluster.local`
  expect(await address(e2e, record)).toBe(ip)
}

function address(e2e: Namespace, name: string): Promise<string> {
  return short(e2e, `${name} A`)
}

async function short(e2e: Namespace, question: string): Promise<string> {
  return (await ask(e2e, 'jessie-querier', `dig +short ${question}`)).output.trim()
}

/** A pod with CoreDNS and a hosts file, which the image has. */
async function nameserver(e2e: Namespace, records: Readonly<Record<string, string>>): Promise<Pod> {
  const lines = Object.entries(records).map(([name, ip]) => `  ${ip} ${name}\n`)
  const Corefile = `. {\n hosts {\n${lines.join('')} }\n log\n}\n`
  e2e.apply({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'coredns-config' },
    data: { Corefile },
  } as KubeObject)
  const mounts = [{ name: 'coredns-config', mountPath: '/etc/coredns', readOnly: true }]
  const server = {
    name: 'agnhost',
    image: AGNHOST,
    command: ['/coredns', '-conf', '/etc/coredns/Corefile'],
    volumeMounts: mounts,
  }
  const volumes = [{ name: 'coredns-config', configMap: { name: 'coredns-config' } }]
  const [made] = await e2e.start(pod('e2e-configmap-dns-server', [server], { dnsPolicy: 'Default', volumes }))
  return made
}

function cluster(forward: string): string {
  const kubernetes =
    'kubernetes cluster.local in-addr.arpa ip6.arpa {\n pods insecure\n fallthrough in-addr.arpa ip6.arpa\n ttl 30\n }'
  return `.:53 {\n ready\n ${kubernetes}\n ${forward}\n cache 30\n reload\n loadbalance\n}\n`
}

/** With another Corefile, which new pods of CoreDNS read; then with the old one again. */
async function corefile(e2e: Namespace, text: string, check: () => Promise<void>): Promise<void> {
  const { store } = e2e.cluster
  const before = store.get<ConfigMap>('ConfigMap', 'kube-system', 'coredns')?.data?.Corefile as string
  const write = async (Corefile: string) => {
    await e2e.lab.say(`kubectl -n kube-system patch configmap coredns -p '${JSON.stringify({ data: { Corefile } })}'`)
    await e2e.lab.say('kubectl -n kube-system delete pod -l k8s-app=kube-dns')
    await e2e.run(12)
  }
  await write(text)
  try {
    await check()
  } finally {
    await write(before)
  }
}
