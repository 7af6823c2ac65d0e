import { beforeEach, describe, expect, it } from 'vitest'
import { ServiceAddresses } from '../../src/kube/ipam.ts'
import type { Deployment, KubeObject, Service } from '../../src/kube/objects.ts'
import { ServiceAllocator } from '../../src/kube/service-allocator.ts'
import { ApiError, type Change, Store } from '../../src/kube/store.ts'
import { Random } from '../../src/sim/random.ts'
import { deployment, pod, service } from './fixture.ts'

let store: Store
let now = 0

beforeEach(() => {
  now = 0
  const random = new Random(1)
  store = new Store(() => now, random, 1_767_225_600)
  new ServiceAllocator(store, new ServiceAddresses('10.96.0.0/12', random), random)
  store.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } })
})

function refusal(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (error instanceof ApiError) return `${error.code} ${error.reason}: ${error.message}`
    throw error
  }
  return 'accepted'
}

function change(object: KubeObject, spec: Record<string, unknown>): KubeObject {
  return { ...object, spec: { ...(object.spec as object), ...spec } }
}

describe('the store', () => {
  it('fills in what the API server fills in', () => {
    now = 61.5e9
    const made = store.create(pod('web', 'nginx'))
    expect(made.metadata.creationTimestamp).toBe('2026-01-01T00:01:01Z')
    expect(made.metadata.uid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(made.spec).toMatchObject({
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      dnsPolicy: 'ClusterFirst',
      containers: [{ imagePullPolicy: 'Always' }],
    })
    expect(store.create(pod('tagged', 'nginx:1.25')).spec).toMatchObject({
      containers: [{ imagePullPolicy: 'IfNotPresent' }],
    })
    const { spec } = store.create(change(deployment('d', 'nginx'), { replicas: undefined })) as Deployment
    expect(spec).toMatchObject({
      replicas: 1,
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
    })
    const made2 = store.create(service('web', 80)) as Service
    expect(made2.spec).toMatchObject({
      type: 'ClusterIP',
      sessionAffinity: 'None',
      internalTrafficPolicy: 'Cluster',
      ipFamilies: ['IPv4'],
      ports: [{ port: 80, targetPort: 80, protocol: 'TCP' }],
    })
    expect(made2.spec.clusterIPs).toEqual([made2.spec.clusterIP])
  })

  it('counts versions and, for workloads, generations', () => {
    const first = store.create(deployment('d', 'nginx')) as Deployment
    const same = store.patch('Deployment', 'default', 'd', 'merge', { spec: { replicas: 1 } })
    expect(same).toBe(first)
    const scaled = store.patch('Deployment', 'default', 'd', 'merge', { spec: { replicas: 2 } })
    expect(scaled.metadata.generation).toBe(2)
    expect(Number(scaled.metadata.resourceVersion)).toBeGreaterThan(Number(first.metadata.resourceVersion))
    const labelled = store.patch('Deployment', 'default', 'd', 'merge', { metadata: { labels: { a: 'b' } } })
    expect(labelled.metadata.generation).toBe(2)
    expect(refusal(() => store.update(first))).toBe(
      '409 Conflict: Operation cannot be fulfilled on deployments.apps "d": the object has been modified; please apply your changes to the latest version and try again',
    )
  })

  it("refuses in Kubernetes' sentences", () => {
    store.create(pod('web', 'nginx'))
    expect(refusal(() => store.create(pod('web', 'nginx')))).toBe('409 AlreadyExists: pods "web" already exists')
    expect(refusal(() => store.delete('Deployment', 'default', 'x'))).toBe(
      '404 NotFound: deployments.apps "x" not found',
    )
    const elsewhere = { ...pod('p', 'nginx'), metadata: { name: 'p', namespace: 'no' } }
    expect(refusal(() => store.create(elsewhere))).toBe('404 NotFound: namespaces "no" not found')
    expect(refusal(() => store.create(pod('Web_1', 'nginx')))).toBe(
      `422 Invalid: Pod "Web_1" is invalid: metadata.name: Invalid value: "Web_1": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
    )
    expect(refusal(() => store.create({ ...pod('p', 'nginx'), spec: { containers: [] } }))).toBe(
      '422 Invalid: Pod "p" is invalid: spec.containers: Required value',
    )
    const mismatch = change(deployment('d', 'nginx'), { selector: { matchLabels: { app: 'other' } } })
    expect(refusal(() => store.create(mismatch))).toBe(
      '422 Invalid: Deployment "d" is invalid: spec.template.metadata.labels: Invalid value: map[string]string{"app":"d"}: `selector` does not match template `labels`',
    )
    expect(refusal(() => store.create(change(deployment('d', 'nginx'), { replica: 2, strateg: {} })))).toBe(
      '400 BadRequest: Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.replica", unknown field "spec.strateg"',
    )
    expect(refusal(() => store.create(change(deployment('d', 'nginx'), { replicas: 'two' })))).toBe(
      '400 BadRequest: Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
    )
    expect(refusal(() => store.create({ ...service('s', 80), kind: 'Ingress' }))).toMatch(
      /^501 NotModelled: podwire: kind Ingress is not modelled/,
    )
  })

  it('keeps what may not change', () => {
    store.create(deployment('d', 'nginx'))
    const labels = { matchLabels: { app: 'd', tier: 'x' } }
    const body = { spec: { selector: labels, template: { metadata: { labels: labels.matchLabels } } } }
    expect(refusal(() => store.patch('Deployment', 'default', 'd', 'merge', body))).toContain('field is immutable')
    store.create(pod('p', 'nginx'))
    expect(refusal(() => store.patch('Pod', 'default', 'p', 'merge', { spec: { hostNetwork: true } }))).toMatch(
      /^422 Invalid: Pod "p" is invalid: spec: Forbidden: pod updates may not change fields other than/,
    )
    store.create(service('s', 80))
    expect(refusal(() => store.patch('Service', 'default', 's', 'merge', { spec: { clusterIP: '10.96.3.3' } }))).toBe(
      '422 Invalid: Service "s" is invalid: spec.clusterIPs[0]: Invalid value: []string{"10.96.3.3"}: may not change once set',
    )
  })

  it('gives each Service its own address and node port', () => {
    const taken = service('a', 80, {
      clusterIP: '10.96.0.80',
      type: 'NodePort',
      ports: [{ port: 80, nodePort: 30080 }],
    })
    store.create(taken)
    expect(refusal(() => store.create(service('b', 80, { clusterIP: '10.96.0.80' })))).toBe(
      '422 Invalid: Service "b" is invalid: spec.clusterIPs: Invalid value: []string{"10.96.0.80"}: failed to allocate IP 10.96.0.80: provided IP is already allocated',
    )
    const port = (nodePort: number) => service('b', 80, { type: 'NodePort', ports: [{ port: 80, nodePort }] })
    expect(refusal(() => store.create(port(30080)))).toBe(
      '422 Invalid: Service "b" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated',
    )
    expect(refusal(() => store.create(port(80)))).toContain(
      'provided port is not in the valid range. The range of valid ports is 30000-32767',
    )
    store.delete('Service', 'default', 'a')
    expect(refusal(() => store.create(port(30080)))).toBe('accepted')
    expect(refusal(() => store.create(service('c', 80, { clusterIP: '10.96.0.80' })))).toBe('accepted')
    const any = store.create(service('d', 80, { type: 'LoadBalancer' })) as Service
    expect(any.spec.ports?.[0].nodePort).toBeGreaterThanOrEqual(30086)
    expect(any.status.loadBalancer).toEqual({})
  })

  it('patches in three ways', () => {
    const spec = {
      containers: [
        { name: 'a', image: 'x' },
        { name: 'b', image: 'y' },
      ],
    }
    const template = { metadata: { labels: { app: 'd' } }, spec }
    store.create(change(deployment('d', 'nginx'), { template }))
    const images = () =>
      (store.get('Deployment', 'default', 'd') as Deployment).spec.template.spec.containers.map(
        (c) => `${c.name}=${c.image}`,
      )
    const strategic = { spec: { template: { spec: { containers: [{ name: 'b', image: 'z' }] } } } }
    store.patch('Deployment', 'default', 'd', 'strategic', strategic)
    expect(images()).toEqual(['a=x', 'b=z'])
    const path = '/spec/template/spec/containers/0/image'
    store.patch('Deployment', 'default', 'd', 'json', [{ op: 'replace', path, value: 'w' }])
    expect(images()).toEqual(['a=w', 'b=z'])
    store.patch('Deployment', 'default', 'd', 'merge', strategic)
    expect(images()).toEqual(['b=z'])
    store.create(service('s', 80, { ports: [{ port: 80 }] }))
    const order = {
      spec: { '$setElementOrder/ports': [{ port: 81 }], ports: [{ port: 81 }, { $patch: 'delete', port: 80 }] },
    }
    const patched = store.patch('Service', 'default', 's', 'strategic', order) as Service
    expect(patched.spec.ports?.map((port) => port.port)).toEqual([81])
  })

  it('tells of changes in order, one after the other', () => {
    const heard: string[] = []
    const note = (change: Change) => heard.push(`${change.type} ${change.object.metadata.name}`)
    store.listen('Pod', (change) => {
      note(change)
      if (change.type === 'ADDED' && change.object.metadata.name === 'a') store.create(pod('b', 'nginx'))
    })
    const subscription = store.watch('Pod').subscribe(note)
    store.create(pod('a', 'nginx'))
    subscription.unsubscribe()
    store.delete('Pod', 'default', 'a')
    expect(heard).toEqual(['ADDED a', 'ADDED a', 'ADDED b', 'ADDED b', 'DELETED a'])
  })

  it('lets a scheduled pod end gracefully', () => {
    store.create(pod('p', 'nginx', { nodeName: 'w1' }))
    const leaving = store.delete('Pod', 'default', 'p')
    expect(leaving.metadata).toMatchObject({
      deletionTimestamp: '2026-01-01T00:00:30Z',
      deletionGracePeriodSeconds: 30,
    })
    expect(store.get('Pod', 'default', 'p')).not.toBeNull()
    store.delete('Pod', 'default', 'p', { gracePeriodSeconds: 0 })
    expect(store.get('Pod', 'default', 'p')).toBeNull()
  })

  it('says what it accepts without acting on it', () => {
    const said: string[] = []
    store.onWarning = (sentence) => said.push(sentence)
    store.create(pod('p', 'nginx', { volumes: [{ name: 'v', hostPath: { path: '/v' } }] }))
    expect(said).toEqual(['podwire: spec.volumes[0].hostPath of Pod "p" is not modelled: it has no effect'])
  })
})
