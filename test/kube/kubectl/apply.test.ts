import { expect, test } from 'vitest'
import { SLEEP_SERVICE, sleepManifest, TEST_POD } from './lab.ts'
import { Workstation } from './workstation.ts'

function serviceSpec(station: Workstation, name: string): Record<string, unknown> {
  return station.store.get('Service', 'default', name)?.spec as Record<string, unknown>
}

test('created, unchanged, configured', async () => {
  const station = new Workstation()
  station.files.set('/root/m/sleep1.yaml', sleepManifest('sleep-1'))
  station.files.set('/root/m/sleep2.yaml', sleepManifest('sleep-2'))
  const twice = 'apply -f m/sleep1.yaml -f m/sleep2.yaml'
  expect((await station.kubectl(twice)).text).toBe('deployment.apps/sleep-1 created\ndeployment.apps/sleep-2 created\n')
  expect((await station.kubectl(twice)).text).toBe(
    'deployment.apps/sleep-1 unchanged\ndeployment.apps/sleep-2 unchanged\n',
  )
  station.files.set('/root/m/sleep2.yaml', sleepManifest('sleep-2').replace('spec:\n', 'spec:\n  replicas: 2\n'))
  expect((await station.kubectl('apply -f m/')).text).toBe(
    'deployment.apps/sleep-1 unchanged\ndeployment.apps/sleep-2 configured\n',
  )
  const live = station.store.get('Deployment', 'default', 'sleep-2')
  expect(live?.spec).toMatchObject({ replicas: 2 })
  expect(live?.metadata.annotations?.['kubectl.kubernetes.io/last-applied-configuration']).toMatch(
    /^\{"apiVersion":"apps\/v1","kind":"Deployment","metadata":\{"annotations":\{\},"name":"sleep-2","namespace":"default"\},.*\}\n$/,
  )
})

test('what a manifest no longer says is taken away; what the cluster added stays', async () => {
  const station = new Workstation()
  const file = (text: string) => station.files.set('/root/svc.yaml', text)
  file(SLEEP_SERVICE)
  await station.kubectl('apply -f svc.yaml')
  file(
    'apiVersion: v1\nkind: Service\nmetadata:\n  name: sleep-2\nspec:\n  type: ExternalName\n  externalName: example.com\n',
  )
  expect((await station.kubectl('apply -f svc.yaml')).text).toBe('service/sleep-2 configured\n')
  const external = serviceSpec(station, 'sleep-2')
  expect(external).toMatchObject({ type: 'ExternalName', externalName: 'example.com' })
  expect(external.selector).toBeUndefined()
  expect(external.ports).toBeUndefined()
  expect(external.clusterIP).toBeUndefined()
  file(SLEEP_SERVICE.replace('port: 80', 'port: 81'))
  expect((await station.kubectl('apply -f svc.yaml')).text).toBe('service/sleep-2 configured\n')
  const back = serviceSpec(station, 'sleep-2')
  expect(back).toMatchObject({ selector: { app: 'sleep-2' }, ports: [{ port: 81 }] })
  expect(back.externalName).toBeUndefined()
  expect(back.clusterIP).toMatch(/^10\.\d+\.\d+\.\d+$/)
  const { clusterIP } = back
  file(SLEEP_SERVICE.replace('spec:\n', 'spec:\n  type: NodePort\n'))
  await station.kubectl('apply -f svc.yaml')
  expect(serviceSpec(station, 'sleep-2')).toMatchObject({ clusterIP, ports: [{ port: 80 }] })
})

test('a container of a template is merged by its name', async () => {
  const station = new Workstation()
  station.files.set('/root/d.yaml', sleepManifest('web'))
  await station.kubectl('apply -f d.yaml')
  await station.kubectl('set image deploy/web sleep=other:1')
  const env = '          env:\n            - name: A\n              value: b\n'
  station.files.set('/root/d.yaml', sleepManifest('web').trimEnd() + `\n${env}`)
  await station.kubectl('apply -f d.yaml')
  const path = '{.spec.template.spec.containers[0].image} {.spec.template.spec.containers[0].env}'
  expect((await station.kubectl(['get', 'deploy', 'web', '-o', `jsonpath=${path}`])).out).toBe(
    'kiamol/ch03-sleep [{"name":"A","value":"b"}]',
  )
})

test('from standard input, several documents', async () => {
  const station = new Workstation()
  const stdin = `${SLEEP_SERVICE}\n---\n${TEST_POD}`
  expect((await station.kubectl('apply -f -', { stdin })).text).toBe('service/sleep-2 created\npod/test created\n')
  expect((await station.kubectl('get -f - -o name', { stdin })).text).toBe('service/sleep-2\npod/test\n')
})

test('an object that was not made by apply is warned about, and adopted', async () => {
  const station = new Workstation()
  station.files.set('/root/pod.yaml', TEST_POD)
  await station.kubectl('create -f pod.yaml')
  const screen = await station.kubectl('apply -f pod.yaml')
  expect(screen.err).toMatch(/^Warning: resource pods\/test is missing the kubectl\.kubernetes\.io\/last-applied/)
  expect(screen.out).toBe('pod/test configured\n')
  expect((await station.kubectl('apply -f pod.yaml')).text).toBe('pod/test unchanged\n')
})

test('what the API server refuses names the file', async () => {
  const station = new Workstation()
  station.files.set('/root/m/pod.yaml', TEST_POD)
  expect((await station.kubectl('create -f m/pod.yaml')).text).toBe('pod/test created\n')
  expect(await station.kubectl('create -f m/pod.yaml')).toMatchObject({
    err: 'Error from server (AlreadyExists): error when creating "m/pod.yaml": pods "test" already exists\n',
    code: 1,
  })
  station.files.set('/root/bad.yaml', TEST_POD.replace('image: nginx', 'imag: nginx').replace('test', 'bad'))
  expect((await station.kubectl('apply -f bad.yaml')).err).toBe(
    'Error from server (BadRequest): error when creating "bad.yaml": Pod in version "v1" cannot be handled as a Pod: ' +
      'strict decoding error: unknown field "spec.containers[0].imag"\n',
  )
  expect((await station.kubectl('apply -f nowhere.yaml')).err).toBe('error: the path "nowhere.yaml" does not exist\n')
  expect((await station.kubectl('apply')).err).toBe('error: must specify one of -f and -k\n')
})

test('patch, replace and edit', async () => {
  const station = new Workstation()
  station.files.set('/root/svc.yaml', SLEEP_SERVICE)
  await station.kubectl('apply -f svc.yaml')
  const patch = (body: string, ...more: string[]) => station.kubectl(['patch', 'svc', 'sleep-2', '-p', body, ...more])
  expect((await patch('{"spec":{"type":"NodePort"}}')).text).toBe('service/sleep-2 patched\n')
  expect((await patch('{"spec":{"type":"NodePort"}}')).text).toBe('service/sleep-2 patched (no change)\n')
  expect((await patch('spec:\n  type: ClusterIP')).text).toBe('service/sleep-2 patched\n')
  const json = '[{"op":"replace","path":"/spec/type","value":"NodePort"}]'
  expect((await patch(json, '--type=json')).text).toBe('service/sleep-2 patched\n')
  expect(serviceSpec(station, 'sleep-2').type).toBe('NodePort')

  station.env.KUBE_EDITOR = 'sed -i s/NodePort/ClusterIP/'
  station.shell = (line) => {
    const path = line.split(' ').at(-1)!
    station.files.set(path, station.files.get(path)!.replace('NodePort', 'ClusterIP'))
    return 0
  }
  expect((await station.kubectl('edit svc sleep-2')).text).toBe('service/sleep-2 edited\n')
  expect(serviceSpec(station, 'sleep-2').type).toBe('ClusterIP')
  expect((await station.kubectl('edit svc sleep-2')).text).toBe('Edit cancelled, no changes made.\n')
  station.env.KUBE_EDITOR = ''
  expect(await station.kubectl('edit svc sleep-2')).toMatchObject({ code: 1 })

  station.files.set('/root/svc.yaml', SLEEP_SERVICE.replace('port: 80', 'port: 8080'))
  expect((await station.kubectl('replace -f svc.yaml')).text).toBe('service/sleep-2 replaced\n')
  expect(serviceSpec(station, 'sleep-2').ports).toMatchObject([{ port: 8080 }])
})
