/** `kubectl logs`: what containers have written. */
import type { KubeObject, LogOptions } from '../api.ts'
import { Failure, fail, usage } from '../failure.ts'
import { at, listAt, mapAt, nameOf, namespaceOf, textAt } from '../field.ts'
import { text, toggle, unmodelled } from '../flags.ts'
import { containerNames, defaultContainer, podsOf, readPodName } from '../pods.ts'
import { parseSelector } from '../selector.ts'
import type { Command, Session } from '../session.ts'

export const logs: Command = {
  name: 'logs',
  flags: [
    text('container', 'c'),
    text('selector', 'l'),
    text('tail'),
    toggle('follow', 'f'),
    toggle('previous', 'p'),
    toggle('timestamps'),
    toggle('all-containers'),
    toggle('prefix'),
    toggle('quiet'),
    text('pod-running-timeout'),
    text('max-log-requests'),
    ...unmodelled('since', 'since-time', 'limit-bytes', 'all-pods', 'ignore-errors'),
  ],
  async run(session) {
    const word = session.args[0]
    const selector = session.flags.text('selector')
    if (word === undefined && selector === null) {
      usage(
        'logs',
        "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required argument for the logs command",
      )
    }
    if (word !== undefined && selector !== null) fail('only a selector (-l) or a POD name is allowed')
    const named = session.args[1]
    if (named !== undefined && session.flags.text('container') !== null) {
      fail('only one of -c or an inline [CONTAINER] arg is allowed')
    }
    const pods = word === undefined ? selected(session, selector!) : [chosen(session, word)]
    if (pods.length === 0) session.err(`No resources found in ${session.namespace} namespace.\n`)
    const sources = pods.flatMap((pod) => containersOf(session, pod, named).map((container) => ({ pod, container })))
    if (session.flags.on('follow')) await follow(session, sources)
    else
      for (const { pod, container } of sources)
        session.out(prefixed(session, pod, container, textOf(session, pod, container)))
    return 0
  },
}

function selected(session: Session, selector: string): KubeObject[] {
  const matches = parseSelector(selector)
  return session.cluster.list('Pod', session.namespace).filter((pod) => matches(mapAt(pod, 'metadata.labels')))
}

function chosen(session: Session, word: string): KubeObject {
  const { resource, name } = readPodName(word)
  const object = session.need(resource, name)
  if (resource.kind === 'Pod') return object
  const pods = podsOf(session, object)
  const first = pods[0] ?? fail('timed out waiting for the condition')
  if (pods.length > 1) session.err(`Found ${pods.length} pods, using pod/${nameOf(first)}\n`)
  return first
}

function containersOf(session: Session, pod: KubeObject, inline: string | undefined): string[] {
  const names = containerNames(pod)
  if (session.flags.on('all-containers')) return names
  const container = inline ?? defaultContainer(session, pod)
  if (!names.includes(container)) fail(`container ${container} is not valid for pod ${nameOf(pod)}`)
  return [container]
}

function textOf(session: Session, pod: KubeObject, container: string): string {
  if (!session.flags.on('previous')) refuseWaiting(pod, container)
  const tail = session.flags.text('tail') ?? (session.flags.text('selector') === null ? '-1' : '10')
  const lines = Number(tail)
  if (!Number.isInteger(lines))
    fail(`invalid argument "${tail}" for "--tail" flag: strconv.ParseInt: parsing "${tail}": invalid syntax`)
  const options: LogOptions = {
    previous: session.flags.on('previous'),
    timestamps: session.flags.on('timestamps'),
    ...(lines < 0 ? {} : { tail: lines }),
  }
  return session.cluster.logs(namespaceOf(pod) ?? '', nameOf(pod), container, options)
}

function refuseWaiting(pod: KubeObject, container: string): void {
  const status = [...listAt(pod, 'status.containerStatuses'), ...listAt(pod, 'status.initContainerStatuses')].find(
    (candidate) => textAt(candidate, 'name') === container,
  )
  const reason = textAt(status, 'state.waiting.reason')
  if (reason === '' || at(status, 'lastState.terminated') !== undefined) return
  const why = { ErrImagePull: "image can't be pulled", ImagePullBackOff: 'trying and failing to pull image' }[reason]
  const message = `container "${container}" in pod "${nameOf(pod)}" is waiting to start: ${why ?? reason}`
  throw new Failure(`Error from server (BadRequest): ${message}`)
}

function prefixed(session: Session, pod: KubeObject, container: string, text: string): string {
  if (!session.flags.on('prefix')) return text
  return text.replace(/^(?=.)/gm, `[pod/${nameOf(pod)}/${container}] `)
}

async function follow(session: Session, sources: readonly { pod: KubeObject; container: string }[]): Promise<void> {
  const stops: (() => void)[] = []
  let left = sources.length
  try {
    for (const { pod, container } of sources) {
      session.out(prefixed(session, pod, container, textOf(session, pod, container)))
    }
    if (left === 0) return
    await session.self.wait<true>((settle) => {
      for (const { pod, container } of sources) {
        const write = (text: string): void => session.out(prefixed(session, pod, container, text))
        const ended = (): void => {
          left--
          if (left === 0) settle(true)
        }
        stops.push(session.cluster.follow(namespaceOf(pod) ?? '', nameOf(pod), container, write, ended))
      }
    })
  } finally {
    for (const stop of stops) stop()
  }
}
