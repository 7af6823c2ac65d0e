import { expect, test } from 'vitest'
import { SECOND } from '../../../src/sim/scheduler.ts'
import { SLEEP_SERVICE, sleepManifest, sleepPods, TEST_POD } from './lab.ts'
import { Workstation } from './workstation.ts'

async function withTestPod(): Promise<Workstation> {
  const station = new Workstation()
  await station.kubectl('apply -f -', { stdin: TEST_POD })
  await station.pass(2)
  station.remote = async (argv, streams) => {
    streams.out(`ran: ${argv.join(' ')}\n`)
    return argv[0] === 'false' ? 7 : 0
  }
  return station
}

test('exec', async () => {
  const station = await withTestPod()
  expect((await station.kubectl('exec test -c second -- echo hi')).text).toBe('ran: echo hi\n')
  expect((await station.kubectl('exec -it test -- echo -n hi')).text).toBe(
    'Defaulted container "first" out of: first, second\nran: echo -n hi\n',
  )
  expect(await station.kubectl('exec test -c second -- false')).toMatchObject({
    text: 'ran: false\ncommand terminated with exit code 7\n',
    code: 7,
  })
  expect(await station.kubectl('exec test -c second -- nosuch')).toMatchObject({
    err: 'error: Internal error occurred: error executing command in container: exec: "nosuch": executable file not found in $PATH\n',
    code: 1,
  })
  expect((await station.kubectl('exec nosuch -- ls')).err).toBe(
    'Error from server (NotFound): pods "nosuch" not found\n',
  )
  expect((await station.kubectl('exec test -c nope -- ls')).err).toBe(
    'Error from server (BadRequest): container nope is not valid for pod test\n',
  )
  expect((await station.kubectl('exec test ls')).err).toBe(
    'error: exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead\n' +
      "See 'kubectl exec -h' for help and examples\n",
  )
  expect((await station.kubectl('exec test')).err).toBe(
    'error: you must specify at least one command for the container\n',
  )
})

test('exec gives its input away only with -i', async () => {
  const station = await withTestPod()
  station.remote = async (_argv, streams) => {
    streams.out(streams.stdin === null ? 'nothing' : streams.stdin.take())
    return 0
  }
  const options = { stdin: 'typed\n' }
  expect((await station.kubectl('exec -i test -c first -- cat', options)).out).toBe('typed\n')
  expect((await station.kubectl('exec test -c first -- cat', options)).out).toBe('nothing')
})

test('exec in a Deployment takes one of its pods', async () => {
  const station = new Workstation()
  await sleepPods(station)
  await station.kubectl('apply -f -', { stdin: sleepManifest('sleep-1') })
  await station.kubectl('apply -f -', { stdin: SLEEP_SERVICE })
  station.remote = async (argv, streams) => {
    streams.out(argv.join(' '))
    return 0
  }
  const ping = 'exec deploy/sleep-1 -- ping -c 2 10.1.0.61'
  expect((await station.kubectl(ping)).text).toBe('ping -c 2 10.1.0.61')
  expect((await station.kubectl('exec svc/sleep-2 -- hostname')).text).toBe('hostname')
})

test('logs', async () => {
  const station = await withTestPod()
  expect((await station.kubectl('logs test -c second')).text).toBe('hello from test\nthis is second\n')
  expect((await station.kubectl('logs test second --tail=1')).text).toBe('this is second\n')
  expect((await station.kubectl('logs test')).text).toBe(
    'Defaulted container "first" out of: first, second\nhello from test\nthis is first\n',
  )
  expect((await station.kubectl('logs -f test -c first')).text).toBe('hello from test\nthis is first\none more line\n')
  expect((await station.kubectl('logs test --all-containers --prefix --tail 1')).text).toBe(
    '[pod/test/first] this is first\n[pod/test/second] this is second\n',
  )
})

test('run', async () => {
  const station = new Workstation()
  expect((await station.kubectl('run web --image=nginx --port 80 --env A=b --labels=app=x,tier=y')).text).toBe(
    'pod/web created\n',
  )
  const pod = station.store.get('Pod', 'default', 'web')
  expect(pod?.metadata.labels).toEqual({ app: 'x', tier: 'y' })
  expect(pod?.spec).toMatchObject({
    containers: [{ name: 'web', image: 'nginx', env: [{ name: 'A', value: 'b' }], ports: [{ containerPort: 80 }] }],
  })
  expect((await station.kubectl('run web --image=nginx')).err).toBe(
    'Error from server (AlreadyExists): pods "web" already exists\n',
  )
  await station.kubectl('run sleeper --image=busybox --restart=Never -- sleep 5')
  expect(station.store.get('Pod', 'default', 'sleeper')?.spec).toMatchObject({
    restartPolicy: 'Never',
    containers: [{ args: ['sleep', '5'] }],
  })
  await station.kubectl('run other --image=busybox --command -- sleep 5')
  expect(station.store.get('Pod', 'default', 'other')?.spec).toMatchObject({
    containers: [{ command: ['sleep', '5'] }],
  })
  expect((await station.kubectl('run web')).err).toBe('error: required flag(s) "image" not set\n')
  const yaml = await station.kubectl('run dry --image=nginx --dry-run=client -o yaml')
  expect(yaml.out).toContain('  containers:\n  - image: nginx\n    name: dry\n')
  expect(station.store.get('Pod', 'default', 'dry')).toBeNull()
})

test('a session in a temporary pod', async () => {
  const station = new Workstation()
  station.remote = async (_argv, streams) => {
    streams.out(`/ # ${streams.stdin?.take()}`)
    return 0
  }
  const line = 'run curl --image=curlimages/curl --restart=Never --rm -it -- sh'
  const screen = await station.kubectl(line, { stdin: 'exit\n' })
  expect(screen).toMatchObject({
    text: 'If you don\'t see a command prompt, try pressing enter.\n/ # exit\npod "curl" deleted\n',
    code: 0,
  })
  expect(station.store.get('Pod', 'default', 'curl')).toBeNull()

  station.remote = async () => 3
  expect(await station.kubectl(line)).toMatchObject({
    text:
      'If you don\'t see a command prompt, try pressing enter.\npod "curl" deleted\n' +
      'pod default/curl terminated (Error)\n',
    code: 3,
  })
})

test('a session that leaves its pod', async () => {
  const station = new Workstation()
  const screen = await station.kubectl('run -it --image=nicolaka/netshoot testnet -- bash')
  expect(screen.text).toBe(
    "If you don't see a command prompt, try pressing enter.\n" +
      "Session ended, resume using 'kubectl attach testnet -c testnet -i -t' command when the pod is running\n",
  )
})

test('wait', async () => {
  const station = new Workstation()
  await station.kubectl('run web --image=nginx')
  const began = station.world.scheduler.now
  expect((await station.kubectl('wait --for=condition=Ready pod web')).text).toBe('pod/web condition met\n')
  expect(station.world.scheduler.now - began).toBe(SECOND)
  expect(await station.kubectl('wait --for=condition=Ready=false pod/web --timeout=2s')).toMatchObject({
    err: 'error: timed out waiting for the condition on pods/web\n',
    code: 1,
  })
  expect(station.world.scheduler.now - began).toBe(3 * SECOND)
  const path = "jsonpath='{.status.phase}'=Running"
  expect((await station.kubectl(['wait', `--for=${path}`, 'pod/web'])).text).toBe('pod/web condition met\n')
  expect((await station.kubectl(['wait', '--for=jsonpath={.status.podIP}', 'pod/web'])).code).toBe(0)
  expect((await station.kubectl('wait --for=condition=Ready pod -l app=none')).err).toBe(
    'error: no matching resources found\n',
  )
  station.store.delete('Pod', 'default', 'web')
  expect((await station.kubectl('wait --for=delete pod/web')).text).toBe('pod/web condition met\n')
  expect(await station.kubectl('wait --for=delete pod/web')).toMatchObject({ text: '', code: 0 })
  expect((await station.kubectl('wait --for=happiness pod/web')).err).toBe(
    'error: unrecognized condition: "happiness"\n',
  )
})

test('label', async () => {
  const station = new Workstation()
  await sleepPods(station)
  const labels = () => station.store.get('Pod', 'default', 'sleep-2-5779cc9f87-kk4xp')?.metadata.labels
  expect((await station.kubectl('label pods -l app=sleep-2 --overwrite app=sleep-x')).text).toBe(
    'pod/sleep-2-5779cc9f87-kk4xp labeled\n',
  )
  expect(labels()).toMatchObject({ app: 'sleep-x' })
  const pod = 'label pod sleep-2-5779cc9f87-kk4xp'
  expect((await station.kubectl(`${pod} app=sleep-x`)).text).toBe('pod/sleep-2-5779cc9f87-kk4xp not labeled\n')
  expect(await station.kubectl(`${pod} app=web`)).toMatchObject({
    err: "error: 'app' already has a value (sleep-x), and --overwrite is false\n",
    code: 1,
  })
  expect((await station.kubectl(`${pod} app-`)).text).toBe('pod/sleep-2-5779cc9f87-kk4xp unlabeled\n')
  expect(labels()).toEqual({ 'pod-template-hash': '5779cc9f87' })
  expect((await station.kubectl(`${pod} app-`)).text).toBe(
    'label "app" not found.\npod/sleep-2-5779cc9f87-kk4xp not labeled\n',
  )
  expect((await station.kubectl('label pods --all tier=x')).out.split('\n')).toHaveLength(3)
  expect((await station.kubectl('label pods app=x')).err).toBe(
    'error: resource(s) were provided, but no name was specified\n',
  )
  expect((await station.kubectl(pod)).err).toBe('error: at least one label update is required\n')
  expect((await station.kubectl('annotate pod/sleep-1-d54959f56-2x8wq note=hello')).text).toBe(
    'pod/sleep-1-d54959f56-2x8wq annotated\n',
  )
})

test('delete waits until the pods are gone', async () => {
  const station = new Workstation()
  await sleepPods(station)
  const began = station.world.scheduler.now
  expect((await station.kubectl('delete pods -l app=sleep-2')).text).toBe('pod "sleep-2-5779cc9f87-kk4xp" deleted\n')
  expect(station.world.scheduler.now - began).toBe(SECOND)
  expect((await station.kubectl('delete pods --all --grace-period=0 --force')).text).toBe(
    'Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. ' +
      'The resource may continue to run on the cluster indefinitely.\npod "sleep-1-d54959f56-2x8wq" force deleted\n',
  )
  expect((await station.kubectl('delete pods --all')).text).toBe('No resources found\n')
  expect((await station.kubectl('delete pod nosuch')).err).toBe(
    'Error from server (NotFound): pods "nosuch" not found\n',
  )
  expect(await station.kubectl('delete pod nosuch --ignore-not-found')).toMatchObject({ code: 0 })
  expect((await station.kubectl('delete pod')).err).toBe(
    'error: resource(s) were provided, but no name was specified\n',
  )
})

test('delete -f, several names, and a Deployment', async () => {
  const station = new Workstation()
  station.files.set('/root/m/svc.yaml', SLEEP_SERVICE)
  await station.kubectl('apply -f m/svc.yaml')
  await station.kubectl('apply -f -', { stdin: sleepManifest('web') })
  expect((await station.kubectl('delete -f m/svc.yaml')).text).toBe('service "sleep-2" deleted\n')
  expect((await station.kubectl('delete -f m/svc.yaml')).err).toBe(
    'Error from server (NotFound): error when deleting "m/svc.yaml": services "sleep-2" not found\n',
  )
  expect((await station.kubectl('delete deploy/web')).text).toBe('deployment.apps "web" deleted\n')
})
