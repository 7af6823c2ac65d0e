/** `kubectl run`: one pod made of flags, and a session in it with -it. */
import { SECOND } from '../../../sim/scheduler.ts'
import { isApiFailure, type KubeObject } from '../api.ts'
import { CREATION_FLAGS, createObject, parseEnv, parseLabels, parsePort } from '../creation.ts'
import { parseDuration } from '../duration.ts'
import { Failure, fail, usage } from '../failure.ts'
import { at, isMap, listAt, numberAt, textAt } from '../field.ts'
import { array, text, toggle, unmodelled } from '../flags.ts'
import { RESOURCES } from '../resources.ts'
import type { Command, Session } from '../session.ts'
import { until } from '../waiting.ts'
import { gone } from './delete.ts'
import { attachTo, sayHowToResume } from './exec.ts'

const POD = RESOURCES.find((resource) => resource.kind === 'Pod')!

export const run: Command = {
  name: 'run',
  flags: [
    ...CREATION_FLAGS,
    text('image'),
    text('image-pull-policy'),
    text('restart'),
    text('labels', 'l'),
    array('env'),
    text('port'),
    toggle('command'),
    toggle('rm'),
    toggle('stdin', 'i'),
    toggle('tty', 't'),
    toggle('attach'),
    toggle('quiet', 'q'),
    toggle('expose'),
    toggle('privileged'),
    text('grace-period'),
    text('pod-running-timeout'),
    text('annotations'),
    ...unmodelled('overrides', 'override-type', 'leave-stdin-open'),
  ],
  async run(session) {
    const name = session.args[0]
    const image = session.flags.text('image')
    if (image === null) fail('required flag(s) "image" not set')
    if (name === undefined) usage('run', 'NAME is required for run')
    if (image === '') usage('run', '--image is required')
    const interactive = session.flags.on('stdin')
    if (session.flags.on('tty') && !interactive)
      usage('run', '-i/--stdin is required for containers with -t/--tty=true')
    const attaches = session.flags.has('attach') ? session.flags.on('attach') : interactive
    if (session.flags.on('rm') && !attaches) fail('--rm should only be used for attached containers')
    const restart = session.flags.text('restart') ?? 'Always'
    if (!['Always', 'OnFailure', 'Never'].includes(restart)) fail(`invalid restart policy: ${restart}`)
    const pod = podFor(session, name, image, restart)
    if (!attaches) {
      createObject(session, pod)
      exposePod(session, name)
      return 0
    }
    if (session.dryRun !== 'none')
      fail("--dry-run=server can't be used with attached containers options (--attach, --stdin, or --tty)")
    return attached(session, session.cluster.create(pod))
  },
}

function podFor(session: Session, name: string, image: string, restartPolicy: string): KubeObject {
  const labels = session.flags.text('labels')
  const annotations = session.flags.text('annotations')
  const port = session.flags.text('port')
  const policy = session.flags.text('image-pull-policy')
  const env = parseEnv(session.flags.all('env'))
  const words = [...session.args.slice(1), ...(session.rest ?? [])]
  const interactive = session.flags.on('stdin')
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: session.namespace,
      labels: labels === null ? { run: name } : parseLabels(labels),
      ...(annotations === null ? {} : { annotations: parseLabels(annotations) }),
    },
    spec: {
      containers: [
        {
          name,
          image,
          ...(policy === null ? {} : { imagePullPolicy: policy }),
          ...(words.length === 0 ? {} : session.flags.on('command') ? { command: words } : { args: words }),
          ...(env.length === 0 ? {} : { env }),
          ...(port === null ? {} : { ports: [{ containerPort: parsePort(port, 'port') }] }),
          ...(interactive ? { stdin: true, stdinOnce: true } : {}),
          ...(session.flags.on('tty') ? { tty: true } : {}),
          ...(session.flags.on('privileged') ? { securityContext: { privileged: true } } : {}),
        },
      ],
      dnsPolicy: 'ClusterFirst',
      restartPolicy,
    },
  } as unknown as KubeObject
}

/** --expose: a Service of the pod's name and port. */
function exposePod(session: Session, name: string): void {
  if (!session.flags.on('expose')) return
  const port = session.flags.text('port')
  if (port === null) fail('--port must be set when exposing a service')
  createObject(session, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: session.namespace },
    spec: { ports: [{ port: Number(port), protocol: 'TCP', targetPort: Number(port) }], selector: { run: name } },
  } as unknown as KubeObject)
}

/** Waits until the pod runs, joins it, and with --rm takes it away. */
async function attached(session: Session, pod: KubeObject): Promise<number> {
  const name = textAt(pod, 'metadata.name')
  const container = textAt(listAt(pod, 'spec.containers')[0], 'name')
  const live = (): KubeObject | null => session.cluster.get('Pod', session.namespace, name)
  const phase = (): string => textAt(live(), 'status.phase')
  try {
    const timeout = parseDuration(session.flags.text('pod-running-timeout') ?? '1m') ?? 60 * SECOND
    const state = await until(session, 'Pod', () => runningOrDone(live(), container), timeout)
    if (state === null) fail('timed out waiting for the condition')
    if (state === 'running') await attachOrLogs(session, pod, container)
    else session.out(session.cluster.logs(session.namespace, name, container, {}))
    if (textAt(pod, 'spec.restartPolicy') === 'Always') {
      if (!session.flags.on('rm')) sayHowToResume(session, pod, container)
      return 0
    }
    await until(session, 'Pod', () => (live() === null || ['Succeeded', 'Failed'].includes(phase()) ? true : null))
    if (phase() === 'Failed') throw failed(live()!)
    return 0
  } finally {
    if (session.flags.on('rm') && !session.self.killed) await takeAway(session, name)
  }
}

/** A container may be done before it can be attached to: kubectl then shows what it wrote. */
async function attachOrLogs(session: Session, pod: KubeObject, container: string): Promise<void> {
  try {
    await attachTo(session, pod, container)
  } catch (error) {
    const why = isApiFailure(error) || error instanceof Failure ? error.message.replace(/^error: /, '') : null
    if (why === null) throw error
    const name = textAt(pod, 'metadata.name')
    session.err(`warning: couldn't attach to pod/${name}, falling back to streaming logs: ${why}\n`)
    session.out(session.cluster.logs(session.namespace, name, container, {}))
  }
}

function runningOrDone(pod: KubeObject | null, container: string): 'running' | 'done' | null {
  if (['Succeeded', 'Failed'].includes(textAt(pod, 'status.phase'))) return 'done'
  const status = listAt(pod, 'status.containerStatuses').find((candidate) => textAt(candidate, 'name') === container)
  return textAt(pod, 'status.phase') === 'Running' && isMap(at(status, 'state.running')) ? 'running' : null
}

function failed(pod: KubeObject): Failure {
  const name = `${textAt(pod, 'metadata.namespace')}/${textAt(pod, 'metadata.name')}`
  const terminated = at(listAt(pod, 'status.containerStatuses')[0], 'state.terminated')
  const code = numberAt(terminated, 'exitCode')
  if (code === 0) return new Failure(`error: pod ${name} failed with unknown exit code`)
  return new Failure(`pod ${name} terminated (${textAt(terminated, 'reason') || 'Error'})`, code)
}

async function takeAway(session: Session, name: string): Promise<void> {
  const object = session.cluster.get('Pod', session.namespace, name)
  if (object === null) return
  const grace = session.flags.text('grace-period')
  session.cluster.delete('Pod', session.namespace, name, grace === null ? {} : { gracePeriodSeconds: Number(grace) })
  if (!session.flags.on('quiet')) session.out(`pod "${name}" deleted\n`)
  await gone(session, { resource: POD, namespace: session.namespace, name, object })
}
