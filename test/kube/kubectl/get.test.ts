import { expect, test } from 'vitest'
import { MILLISECOND, SECOND } from '../../../src/sim/scheduler.ts'
import { deployedPod, node, service, sleepPods, TEST_POD } from './lab.ts'
import { Workstation } from './workstation.ts'

test('pods, narrow and wide', async () => {
  const station = new Workstation()
  await sleepPods(station)
  expect((await station.kubectl('get pods')).out).toBe(
    `NAME                       READY   STATUS    RESTARTS   AGE
sleep-1-d54959f56-2x8wq    1/1     Running   0          2s
sleep-2-5779cc9f87-kk4xp   1/1     Running   0          2s
`,
  )
  expect((await station.kubectl('get po -o wide')).out).toBe(
    `NAME                       READY   STATUS    RESTARTS   AGE   IP           NODE    NOMINATED NODE   READINESS GATES
sleep-1-d54959f56-2x8wq    1/1     Running   0          2s    10.244.1.2   node1   <none>           <none>
sleep-2-5779cc9f87-kk4xp   1/1     Running   0          2s    10.244.1.3   node1   <none>           <none>
`,
  )
  expect((await station.kubectl('get pods -A -l app=sleep-1 --show-labels')).out).toBe(
    `NAMESPACE   NAME                      READY   STATUS    RESTARTS   AGE   LABELS
default     sleep-1-d54959f56-2x8wq   1/1     Running   0          2s    app=sleep-1,pod-template-hash=d54959f56
`,
  )
  expect((await station.kubectl('get pods -L app --no-headers -n default')).out).toBe(
    `sleep-1-d54959f56-2x8wq    1/1   Running   0     2s    sleep-1
sleep-2-5779cc9f87-kk4xp   1/1   Running   0     2s    sleep-2
`,
  )
  expect((await station.kubectl('get pods -o name')).out).toBe(
    'pod/sleep-1-d54959f56-2x8wq\npod/sleep-2-5779cc9f87-kk4xp\n',
  )
})

test('forms other than tables', async () => {
  const station = new Workstation()
  await sleepPods(station)
  const path = ['get', 'pod', '-l', 'app=sleep-2', '--output', 'jsonpath={.items[0].status.podIP}']
  expect((await station.kubectl(path)).out).toBe('10.244.1.3')
  const columns = 'custom-columns=NAME:metadata.name,LABELS:metadata.labels,GONE:.spec.missing'
  expect((await station.kubectl(['get', 'pods', '-o', columns])).out).toBe(
    `NAME                       LABELS                                          GONE
sleep-1-d54959f56-2x8wq    map[app:sleep-1 pod-template-hash:d54959f56]    <none>
sleep-2-5779cc9f87-kk4xp   map[app:sleep-2 pod-template-hash:5779cc9f87]   <none>
`,
  )
  const json = JSON.parse((await station.kubectl('get pods -o json')).out)
  expect(json.kind).toBe('List')
  expect(json.items).toHaveLength(2)
  const one = JSON.parse((await station.kubectl('get pod sleep-2-5779cc9f87-kk4xp -ojson')).out)
  expect(one.status.podIP).toBe('10.244.1.3')
  const yaml = (await station.kubectl('get pod sleep-2-5779cc9f87-kk4xp -o yaml')).out
  expect(yaml).toMatch(/^apiVersion: v1\nkind: Pod\nmetadata:\n {2}creationTimestamp: "2026-03-02T10:00:00Z"\n/)
})

test('what STATUS, READY and RESTARTS say', async () => {
  const station = new Workstation()
  const names = ['pending', 'creating', 'crash', 'done', 'failed', 'ending', 'init', 'pull', 'half']
  for (const name of names) {
    station.make('v1', 'Pod', name, {
      metadata: { labels: { hold: 'true' } },
      spec: {
        containers: [
          { name: 'a', image: 'x' },
          { name: 'b', image: 'x' },
        ].slice(0, name === 'half' ? 2 : 1),
        ...(name === 'init' ? { initContainers: [{ name: 'i', image: 'x' }] } : {}),
        ...(name === 'ending' ? { nodeName: 'node1' } : {}),
      },
    })
  }
  const container = (name: string, state: object, more: object = {}) => {
    return { name, image: 'x', ready: 'running' in state, restartCount: 0, state, ...more }
  }
  const waiting = (reason: string) => container('a', { waiting: { reason } })
  station.status('Pod', 'pending', { phase: 'Pending' })
  station.status('Pod', 'creating', { phase: 'Pending', containerStatuses: [waiting('ContainerCreating')] })
  station.status('Pod', 'pull', { phase: 'Pending', containerStatuses: [waiting('ImagePullBackOff')] })
  station.status('Pod', 'crash', {
    phase: 'Running',
    containerStatuses: [
      {
        ...waiting('CrashLoopBackOff'),
        restartCount: 3,
        lastState: { terminated: { exitCode: 1, finishedAt: '2026-03-02T09:59:55Z' } },
      },
    ],
  })
  const ended = (reason: string) => [container('a', { terminated: { exitCode: 0, reason } })]
  station.status('Pod', 'done', { phase: 'Succeeded', containerStatuses: ended('Completed') })
  station.status('Pod', 'failed', { phase: 'Failed', containerStatuses: ended('Error') })
  station.status('Pod', 'ending', { phase: 'Running', containerStatuses: [container('a', { running: {} })] })
  station.store.delete('Pod', 'default', 'ending')
  station.status('Pod', 'init', { phase: 'Pending', initContainerStatuses: [container('i', { running: {} })] })
  station.status('Pod', 'half', {
    phase: 'Running',
    containerStatuses: [container('a', { running: {} }), container('b', { terminated: { exitCode: 7 } })],
  })
  expect((await station.kubectl('get pods')).out).toBe(
    `NAME       READY   STATUS              RESTARTS     AGE
crash      0/1     CrashLoopBackOff    3 (5s ago)   0s
creating   0/1     ContainerCreating   0            0s
done       0/1     Completed           0            0s
ending     1/1     Terminating         0            0s
failed     0/1     Error               0            0s
half       1/2     ExitCode:7          0            0s
init       0/1     Init:0/1            0            0s
pending    0/1     Pending             0            0s
pull       0/1     ImagePullBackOff    0            0s
`,
  )
})

test('services of every type', async () => {
  const station = new Workstation()
  const ports = [{ port: 80 }]
  service(station, 'cluster', { clusterIP: '10.96.0.20', ports, selector: { app: 'web' } })
  service(station, 'external', { type: 'ExternalName', externalName: 'raw.githubusercontent.com' })
  service(station, 'headless', { clusterIP: 'None', ports, selector: { app: 'web', tier: 'x' } })
  service(station, 'node', { type: 'NodePort', clusterIP: '10.96.0.21', ports: [{ port: 8001, nodePort: 30632 }] })
  const two = [
    { name: 'a', port: 80, nodePort: 30080 },
    { name: 'b', port: 53, nodePort: 30053, protocol: 'UDP' },
  ]
  service(station, 'balanced', { type: 'LoadBalancer', clusterIP: '10.96.0.22', ports: two })
  service(station, 'waiting', { type: 'LoadBalancer', clusterIP: '10.96.0.23', ports: [{ port: 1, nodePort: 30001 }] })
  station.status('Service', 'balanced', { loadBalancer: { ingress: [{ ip: '192.168.14.200' }] } })
  station.ahead = 60_000
  expect((await station.kubectl('get svc -o wide')).out).toBe(
    `NAME       TYPE           CLUSTER-IP   EXTERNAL-IP                 PORT(S)                     AGE   SELECTOR
balanced   LoadBalancer   10.96.0.22   192.168.14.200              80:30080/TCP,53:30053/UDP   60s   <none>
cluster    ClusterIP      10.96.0.20   <none>                      80/TCP                      60s   app=web
external   ExternalName   <none>       raw.githubusercontent.com   <none>                      60s   <none>
headless   ClusterIP      None         <none>                      80/TCP                      60s   app=web,tier=x
node       NodePort       10.96.0.21   <none>                      8001:30632/TCP              60s   <none>
waiting    LoadBalancer   10.96.0.23   <pending>                   1:30001/TCP                 60s   <none>
`,
  )
})

test('endpoints and endpointslices', async () => {
  const station = new Workstation()
  const ip = (last: number) => ({ ip: `10.244.1.${last}` })
  const subset = (count: number) => [
    { addresses: Array.from({ length: count }, (_, index) => ip(index + 3)), ports: [{ port: 80 }] },
  ]
  station.make('v1', 'Endpoints', 'four', { subsets: subset(4) })
  station.make('v1', 'Endpoints', 'none')
  station.make('v1', 'Endpoints', 'two', { subsets: subset(2) })
  expect((await station.kubectl('get ep')).out).toBe(
    `NAME   ENDPOINTS                                               AGE
four   10.244.1.3:80,10.244.1.4:80,10.244.1.5:80 + 1 more...   0s
none   <none>                                                  0s
two    10.244.1.3:80,10.244.1.4:80                             0s
`,
  )
  station.make('discovery.k8s.io/v1', 'EndpointSlice', 'sleep-2-abcde', {
    addressType: 'IPv4',
    ports: [{ name: '', port: 80, protocol: 'TCP' }],
    endpoints: [{ addresses: ['10.244.1.3'], conditions: { ready: true } }],
  })
  expect((await station.kubectl('get endpointslices')).out).toBe(
    `NAME            ADDRESSTYPE   PORTS   ENDPOINTS    AGE
sleep-2-abcde   IPv4          80      10.244.1.3   0s
`,
  )
})

test('workloads, alone and with `all`', async () => {
  const station = new Workstation()
  const labels = { app: 'numbers-web' }
  const template = {
    metadata: { labels },
    spec: { containers: [{ name: 'web', image: 'kiamol/ch03-numbers-web' }] },
  }
  const spec = { replicas: 2, selector: { matchLabels: labels }, template }
  station.make('apps/v1', 'Deployment', 'numbers-web', { spec })
  station.status('Deployment', 'numbers-web', { readyReplicas: 2, updatedReplicas: 2, availableReplicas: 2 })
  station.make('apps/v1', 'ReplicaSet', 'numbers-web-6dbf858848', { spec })
  station.status('ReplicaSet', 'numbers-web-6dbf858848', { replicas: 2, readyReplicas: 2 })
  service(station, 'numbers-web', { clusterIP: '10.96.0.20', ports: [{ port: 8080 }] })
  expect((await station.kubectl('get deploy -o wide')).out).toBe(
    `NAME          READY   UP-TO-DATE   AVAILABLE   AGE   CONTAINERS   IMAGES                    SELECTOR
numbers-web   2/2     2            2           0s    web          kiamol/ch03-numbers-web   app=numbers-web
`,
  )
  expect((await station.kubectl('get all')).out).toBe(
    `NAME                  TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)    AGE
service/numbers-web   ClusterIP   10.96.0.20   <none>        8080/TCP   0s

NAME                          READY   UP-TO-DATE   AVAILABLE   AGE
deployment.apps/numbers-web   2/2     2            2           0s

NAME                                     DESIRED   CURRENT   READY   AGE
replicaset.apps/numbers-web-6dbf858848   2         2         2       0s
`,
  )
  const path = ['get', 'deploy', 'numbers-web', '-o', 'jsonpath={.spec.template.metadata.labels}']
  expect((await station.kubectl(path)).out).toBe('{"app":"numbers-web"}')
})

test('nodes and namespaces', async () => {
  const station = new Workstation()
  node(station, 'control', '192.168.65.3', { 'node-role.kubernetes.io/control-plane': '' })
  node(station, 'node1', '192.168.65.4')
  expect((await station.kubectl('get nodes')).out).toBe(
    `NAME      STATUS   ROLES           AGE   VERSION
control   Ready    control-plane   0s    v1.32.0
node1     Ready    <none>          0s    v1.32.0
`,
  )
  expect((await station.kubectl('get no node1 -o wide')).out).toBe(
    `NAME    STATUS   ROLES    AGE   VERSION   INTERNAL-IP    EXTERNAL-IP   OS-IMAGE                         KERNEL-VERSION   CONTAINER-RUNTIME
node1   Ready    <none>   0s    v1.32.0   192.168.65.4   <none>        Debian GNU/Linux 12 (bookworm)   6.1.0            containerd://1.7.24
`,
  )
  expect((await station.kubectl('get ns')).out).toBe(
    `NAME              STATUS   AGE
default           Active   0s
kube-node-lease   Active   0s
kube-public       Active   0s
kube-system       Active   0s
`,
  )
})

test('events', async () => {
  const station = new Workstation()
  const event = (name: string, count: number, last: string) => {
    station.make('v1', 'Event', name, {
      involvedObject: { kind: 'Pod', name: 'web', namespace: 'default' },
      type: 'Normal',
      reason: 'Pulled',
      message: 'Container image already present',
      count,
      firstTimestamp: '2026-03-02T09:59:00Z',
      lastTimestamp: last,
      source: { component: 'kubelet', host: 'node1' },
    })
  }
  event('web.1', 1, '2026-03-02T09:59:00Z')
  event('web.2', 4, '2026-03-02T09:59:58Z')
  expect((await station.kubectl('get ev')).out).toBe(
    `LAST SEEN          TYPE     REASON   OBJECT    MESSAGE
60s                Normal   Pulled   pod/web   Container image already present
2s (x4 over 60s)   Normal   Pulled   pod/web   Container image already present
`,
  )
})

test('nothing there, and no such thing', async () => {
  const station = new Workstation()
  station.store.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'demo' } })
  const empty = await station.kubectl('get pods -n demo')
  expect(empty).toMatchObject({ out: '', err: 'No resources found in demo namespace.\n', code: 0 })
  expect((await station.kubectl('get pods -A')).err).toBe('No resources found\n')
  expect((await station.kubectl('get pods --no-headers --ignore-not-found')).text).toBe('')
  expect(await station.kubectl('get pods nosuch')).toMatchObject({
    err: 'Error from server (NotFound): pods "nosuch" not found\n',
    code: 1,
  })
  expect((await station.kubectl('get deploy/a svc/b')).err).toBe(
    'Error from server (NotFound): deployments.apps "a" not found\nError from server (NotFound): services "b" not found\n',
  )
  expect((await station.kubectl('get foo')).err).toBe('error: the server doesn\'t have a resource type "foo"\n')
  expect((await station.kubectl('get secrets')).err).toBe('podwire: the resource type "secrets" is not modelled\n')
})

test('field selectors and sorting', async () => {
  const station = new Workstation()
  for (const name of ['web-10', 'web-9', 'web-2']) deployedPod(station, name, 'web', 'x')
  await station.pass(2)
  const names = async (line: string) => (await station.kubectl(`${line} -o name`)).out.split('\n').slice(0, -1)
  expect(await names('get pods --field-selector metadata.name=web-9')).toEqual(['pod/web-9'])
  expect(await names('get pods --field-selector=status.phase!=Running')).toEqual([])
  expect(await names('get pods --field-selector spec.nodeName=node1,status.phase=Running')).toHaveLength(3)
  expect(await names('get pods --sort-by=.metadata.name')).toEqual(['pod/web-2', 'pod/web-9', 'pod/web-10'])
  expect(await names('get pods --sort-by={.status.podIP}')).toEqual(['pod/web-10', 'pod/web-9', 'pod/web-2'])
  expect((await station.kubectl('get pods --field-selector spec.bad=1')).err).toContain(
    'field label not supported: spec.bad',
  )
})

test('-w tells every change in columns that never shrink, until it is killed', async () => {
  const station = new Workstation()
  deployedPod(station, 'web', 'web', 'x')
  station.world.scheduler.call(2 * SECOND, () => void station.store.delete('Pod', 'default', 'web'))
  const screen = await station.kubectl('get pods -w', { limit: 5 * SECOND + MILLISECOND })
  expect(screen.out).toBe(
    `NAME   READY   STATUS    RESTARTS   AGE
web    0/1     Pending   0          0s
web    1/1     Running   0          1s
web    1/1     Terminating   0          2s
web    1/1     Terminating   0          3s
`,
  )
  expect(screen.code).toBe(130)
})

test('-w with a manifest made before: names only what matches', async () => {
  const station = new Workstation()
  station.files.set('/root/pod.yaml', TEST_POD)
  station.world.scheduler.call(SECOND / 2, () => void station.kubectl('apply -f pod.yaml'))
  const screen = await station.kubectl('get pods -l app=test -w -o name', { limit: 3 * SECOND })
  expect(screen.out.split('\n').filter((line) => line !== 'pod/test')).toEqual([''])
  const other = await station.kubectl('get pods -l app=other --watch-only', { limit: 3 * SECOND })
  expect(other.text).toBe('')
})
