import { describe, expect, test } from 'vitest'
import { SECOND } from '../../../src/sim/scheduler.ts'
import { node, service, sleepManifest, sleepPods, TEST_POD } from './lab.ts'
import { Workstation } from './workstation.ts'

const USAGE = "See 'kubectl get --help' for usage.\n"

describe('the command line', () => {
  test.each([
    ['gett pods', 'error: unknown command "gett" for "kubectl"\n\nDid you mean this?\n\tget\n\tset\n'],
    ['frobnicate', 'error: unknown command "frobnicate" for "kubectl"\n'],
    ['get --foo', `error: unknown flag: --foo\n${USAGE}`],
    ['get -z', `error: unknown shorthand flag: 'z' in -z\n${USAGE}`],
    ['get pods -n', `error: flag needs an argument: 'n' in -n\n${USAGE}`],
    ['get pods --namespace', `error: flag needs an argument: --namespace\n${USAGE}`],
    ['get pods -o foo', 'error: unable to match a printer suitable for the output format "foo", allowed formats are: '],
    ['get pods --raw /x', 'podwire: kubectl get --raw is not modelled\n'],
    ['get pod a/b/c', 'error: there is no need to specify a resource type as a separate argument '],
    ['run', 'error: required flag(s) "image" not set\n'],
    ['create namespace', 'error: exactly one NAME is required, got 0\n'],
    ['create service foo', 'error: unknown command "foo" for "kubectl create service"\n'],
    ['rollout foo', 'error: unknown command "foo" for "kubectl rollout"\n'],
    ['scale deploy x', 'error: The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0\n'],
    ['top pods', 'error: Metrics API not available\n'],
    ['port-forward pod/x 8080:80', 'podwire: kubectl port-forward is not modelled yet\n'],
    ['describe', 'error: You must specify the type of resource to describe. '],
    ['get pods --context nowhere', 'error: context "nowhere" does not exist\n'],
  ])('%s', async (line, err) => {
    const screen = await new Workstation().kubectl(line)
    expect(screen.err.startsWith(err) || screen.err).toBe(true)
    expect(screen).toMatchObject({ out: '', code: 1 })
  })

  test('flags stand anywhere', async () => {
    const station = new Workstation()
    await sleepPods(station)
    const line = 'sleep-1-d54959f56-2x8wq   1/1   Running   0     2s\n'
    for (const words of [
      '-n default get pods',
      'get -ndefault pods',
      'get pods --namespace=default',
      'get po -n=default',
    ]) {
      expect((await station.kubectl(`${words} --no-headers -lapp=sleep-1`)).out).toBe(line)
    }
  })
})

test('namespaces', async () => {
  const station = new Workstation()
  expect((await station.kubectl('create namespace demo')).text).toBe('namespace/demo created\n')
  expect((await station.kubectl('create ns demo')).err).toBe(
    'Error from server (AlreadyExists): namespaces "demo" already exists\n',
  )
  await station.kubectl('run myapache --image=httpd -n demo')
  expect((await station.kubectl('run myapache --image=httpd')).text).toBe('pod/myapache created\n')
  expect((await station.kubectl('get pods -A --no-headers -o custom-columns=N:metadata.namespace')).out).toBe(
    'default\ndemo\n',
  )
  expect((await station.kubectl('config set-context --current --namespace demo')).text).toBe(
    'Context "kubernetes-admin@kubernetes" modified.\n',
  )
  expect((await station.kubectl('run myapache --image=httpd')).err).toBe(
    'Error from server (AlreadyExists): pods "myapache" already exists\n',
  )
  expect((await station.kubectl('get svc')).err).toBe('No resources found in demo namespace.\n')
  const began = station.world.scheduler.now
  expect((await station.kubectl('delete ns demo')).text).toBe('namespace "demo" deleted\n')
  expect(station.world.scheduler.now - began).toBe(SECOND)
  expect((await station.kubectl('get ns demo')).err).toBe('Error from server (NotFound): namespaces "demo" not found\n')
  expect((await station.kubectl('get pods')).err).toBe('No resources found in demo namespace.\n')
})

test('contexts', async () => {
  const station = new Workstation()
  expect((await station.kubectl('config current-context')).text).toBe('kubernetes-admin@kubernetes\n')
  await station.kubectl('config set-context dev --cluster=kubernetes --user=kubernetes-admin --namespace=kube-system')
  expect((await station.kubectl('config use-context dev')).text).toBe('Switched to context "dev".\n')
  expect((await station.kubectl('config get-contexts')).text).toBe(
    `CURRENT   NAME                          CLUSTER      AUTHINFO           NAMESPACE
*         dev                           kubernetes   kubernetes-admin   kube-system
          kubernetes-admin@kubernetes   kubernetes   kubernetes-admin   
`,
  )
  expect((await station.kubectl('config use-context nope')).err).toBe(
    'error: no context exists with the name: "nope"\n',
  )
  expect((await station.kubectl('config view --minify')).out).toContain('current-context: dev\n')
})

test('create deployment, expose, scale, set image', async () => {
  const station = new Workstation()
  const create = 'create deployment numbers-web --image=kiamol/ch03-numbers-web --replicas=2 --port=80'
  expect((await station.kubectl(create)).text).toBe('deployment.apps/numbers-web created\n')
  const deployment = () => station.store.get('Deployment', 'default', 'numbers-web')
  expect(deployment()).toMatchObject({
    metadata: { labels: { app: 'numbers-web' } },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: 'numbers-web' } },
      template: { spec: { containers: [{ name: 'ch03-numbers-web', ports: [{ containerPort: 80 }] }] } },
    },
  })
  const expose = 'expose deployment numbers-web --port=8080 --target-port=80 --type=NodePort'
  expect((await station.kubectl(expose)).text).toBe('service/numbers-web exposed\n')
  const exposed = station.store.get('Service', 'default', 'numbers-web')
  expect(exposed?.spec).toMatchObject({
    type: 'NodePort',
    selector: { app: 'numbers-web' },
    ports: [{ port: 8080, targetPort: 80 }],
  })
  expect((await station.kubectl('get svc numbers-web')).out).toMatch(
    /NodePort +10\.\S+ +<none> +8080:3\d{4}\/TCP +0s\n$/,
  )
  expect((await station.kubectl('scale deployment numbers-web --replicas=3')).text).toBe(
    'deployment.apps/numbers-web scaled\n',
  )
  expect(deployment()?.spec).toMatchObject({ replicas: 3 })
  expect((await station.kubectl('set image deploy/numbers-web ch03-numbers-web=foo:1')).text).toBe(
    'deployment.apps/numbers-web image updated\n',
  )
  expect((await station.kubectl('set image deploy/numbers-web nosuch=foo:1')).err).toBe(
    'error: unable to find container named "nosuch"\n',
  )
  expect((await station.kubectl('expose deploy numbers-web --name=introspected')).text).toBe(
    'service/introspected exposed\n',
  )
  await station.kubectl('apply -f -', { stdin: sleepManifest('sleep-1') })
  await station.kubectl('expose deploy sleep-1 --name=chosen --selector=tier=x --port=80')
  expect(station.store.get('Service', 'default', 'chosen')?.spec).toMatchObject({ selector: { tier: 'x' } })
  expect((await station.kubectl('expose deploy sleep-1')).err).toContain(
    "couldn't find port via --port flag or introspection",
  )
})

test('create service and configmap', async () => {
  const station = new Workstation()
  expect((await station.kubectl('create service clusterip web --tcp=8001:80')).text).toBe('service/web created\n')
  expect(station.store.get('Service', 'default', 'web')?.spec).toMatchObject({
    selector: { app: 'web' },
    ports: [{ name: '8001-80', port: 8001, targetPort: 80 }],
  })
  await station.kubectl('create svc externalname out --external-name example.com')
  expect(station.store.get('Service', 'default', 'out')?.spec).toMatchObject({ externalName: 'example.com' })
  await station.kubectl('create configmap settings --from-literal=a=1 --from-literal b=x=y')
  expect((await station.kubectl('get cm settings --no-headers')).out).toBe('settings   2     0s\n')
})

test('rollout status tells the way', async () => {
  const station = new Workstation()
  await station.kubectl('apply -f -', { stdin: sleepManifest('web') })
  const generation = station.store.get('Deployment', 'default', 'web')?.metadata.generation
  const step = (seconds: number, status: object) => {
    station.world.scheduler.call(seconds * SECOND, () => {
      station.status('Deployment', 'web', { observedGeneration: generation, ...status })
    })
  }
  step(1, {})
  step(2, { replicas: 2, updatedReplicas: 1 })
  step(3, { replicas: 1, updatedReplicas: 1 })
  step(4, { replicas: 1, updatedReplicas: 1, availableReplicas: 1 })
  expect((await station.kubectl('rollout status deployment/web')).text).toBe(
    `Waiting for deployment spec update to be observed...
Waiting for deployment "web" rollout to finish: 0 out of 1 new replicas have been updated...
Waiting for deployment "web" rollout to finish: 1 old replicas are pending termination...
Waiting for deployment "web" rollout to finish: 0 of 1 updated replicas are available...
deployment "web" successfully rolled out
`,
  )
  expect((await station.kubectl('rollout restart deploy/web')).text).toBe('deployment.apps/web restarted\n')
  const { metadata } = station.store.get('Deployment', 'default', 'web')!
  for (const [revision, image] of [
    ['1', 'old:1'],
    ['2', 'new:2'],
  ]) {
    const labels = { app: 'web' }
    station.make('apps/v1', 'ReplicaSet', `web-${revision}`, {
      metadata: {
        annotations: { 'deployment.kubernetes.io/revision': revision },
        ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: metadata.uid }],
      },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'sleep', image }] } },
      },
    })
  }
  expect((await station.kubectl('rollout history deploy/web')).text).toBe(
    'deployment.apps/web \nREVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n\n',
  )
  expect((await station.kubectl('rollout undo deploy/web --to-revision=1')).text).toBe(
    'deployment.apps/web rolled back\n',
  )
  const path = 'jsonpath={.spec.template.spec.containers[0].image}'
  expect((await station.kubectl(['get', 'deploy', 'web', '-o', path])).out).toBe('old:1')
})

test('taint, cordon, drain', async () => {
  const station = new Workstation()
  node(station, 'node1', '192.168.65.4')
  await sleepPods(station)
  expect((await station.kubectl('taint nodes node1 key=value:NoSchedule')).text).toBe('node/node1 tainted\n')
  expect((await station.kubectl('describe no node1')).out).toContain('Taints:             key=value:NoSchedule\n')
  expect((await station.kubectl('taint nodes node1 key:NoSchedule-')).text).toBe('node/node1 untainted\n')
  expect((await station.kubectl('taint nodes node1 key:NoSchedule-')).err).toBe(
    'error: taint "key:NoSchedule" not found\n',
  )
  expect((await station.kubectl('cordon node1')).text).toBe('node/node1 cordoned\n')
  expect((await station.kubectl('get nodes --no-headers')).out).toMatch(/^node1 +Ready,SchedulingDisabled /)
  expect((await station.kubectl('uncordon node1')).text).toBe('node/node1 uncordoned\n')
  expect((await station.kubectl('drain node1')).code).toBe(1)
  const drained = (await station.kubectl('drain node1 --force')).text
  expect(drained).toContain('evicting pod default/sleep-1-d54959f56-2x8wq\n')
  expect(drained).toMatch(/pod\/sleep-2-5779cc9f87-kk4xp evicted\nnode\/node1 drained\n$/)
})

test('about the cluster', async () => {
  const station = new Workstation()
  expect((await station.kubectl('version')).text).toBe(
    'Client Version: v1.32.5\nKustomize Version: v5.5.0\nServer Version: v1.32.5\n',
  )
  expect((await station.kubectl('cluster-info')).text).toBe(
    'Kubernetes control plane is running at https://192.168.65.3:6443\n\n' +
      "To further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.\n",
  )
  const resources = (await station.kubectl('api-resources')).out.split('\n')
  expect(resources[0]).toBe('NAME              SHORTNAMES   APIVERSION             NAMESPACED   KIND')
  expect(resources).toContain('deployments       deploy       apps/v1                true         Deployment')
  expect((await station.kubectl('api-versions')).out).toBe('apps/v1\ndiscovery.k8s.io/v1\nnetworking.k8s.io/v1\nv1\n')
})

test('several types at once, and a manifest with an unknown kind', async () => {
  const station = new Workstation()
  await station.kubectl('apply -f -', { stdin: TEST_POD })
  service(station, 'web', { clusterIP: '10.96.0.20', ports: [{ port: 80 }] })
  await station.pass(2)
  expect((await station.kubectl('get pods,svc')).out).toBe(
    `NAME       READY   STATUS    RESTARTS   AGE
pod/test   2/2     Running   0          2s

NAME          TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)   AGE
service/web   ClusterIP   10.96.0.20   <none>        80/TCP    2s
`,
  )
  expect((await station.kubectl('get pod/test svc/web --no-headers')).out).toBe(
    'pod/test   2/2   Running   0     2s\n\nservice/web   ClusterIP   10.96.0.20   <none>   80/TCP   2s\n',
  )
  const unknown = await station.kubectl('apply -f -', {
    stdin: 'apiVersion: v1\nkind: Pood\nmetadata:\n  name: x\n',
  })
  expect(unknown).toMatchObject({ code: 1 })
  expect(unknown.err).toMatch(/^error: STDIN:2:7: podwire: kind Pood/)
})
