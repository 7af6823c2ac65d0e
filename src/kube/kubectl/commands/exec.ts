/** `kubectl exec` and `kubectl attach`: a container's streams, joined to the terminal. */
import type { KubeObject, RemoteCommand, Streams } from '../api.ts'
import { isApiFailure } from '../api.ts'
import { Failure, fail, notModelled, usage } from '../failure.ts'
import { nameOf, namespaceOf, textAt } from '../field.ts'
import { text, toggle } from '../flags.ts'
import { FILE_FLAGS } from '../manifests.ts'
import { checkRunning, defaultContainer, needPod } from '../pods.ts'
import type { Command, Session } from '../session.ts'

const STREAM_FLAGS = [
  text('container', 'c'),
  toggle('stdin', 'i'),
  toggle('tty', 't'),
  toggle('quiet', 'q'),
  text('pod-running-timeout'),
]

export const exec: Command = {
  name: 'exec',
  flags: [...STREAM_FLAGS, ...FILE_FLAGS],
  async run(session) {
    if (session.flags.has('filename')) notModelled('kubectl exec --filename')
    const word = session.args[0]
    if (word === undefined) fail('pod, type/name or --filename must be specified')
    if (session.rest === null && session.args.length > 1) {
      usage('exec', 'exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead')
    }
    if (session.rest === null || session.rest.length === 0) {
      fail('you must specify at least one command for the container')
    }
    const argv = session.rest
    const pod = await needPod(session, word)
    refuseCompleted(pod)
    const container = defaultContainer(session, pod)
    checkRunning(pod, container)
    const code = await remote(session, () =>
      session.cluster.exec(namespaceOf(pod) ?? '', nameOf(pod), container, argv, streamsOf(session)),
    )
    if (code !== 0) throw new Failure(`command terminated with exit code ${code}`, code)
    return 0
  },
}

export const attach: Command = {
  name: 'attach',
  flags: [...STREAM_FLAGS, ...FILE_FLAGS],
  async run(session) {
    const word = session.args[0]
    if (word === undefined) fail('at least 1 argument is required for attach')
    if (session.args.length > 1)
      fail(
        `expected POD, TYPE/NAME, or TYPE NAME, (at most 2 arguments) saw ${session.args.length}: [${session.args.join(' ')}]`,
      )
    const pod = await needPod(session, word)
    if (['Succeeded', 'Failed'].includes(textAt(pod, 'status.phase'))) {
      fail(`cannot attach a container in a completed pod; current phase is ${textAt(pod, 'status.phase')}`)
    }
    const container = defaultContainer(session, pod)
    checkRunning(pod, container)
    await attachTo(session, pod, container)
    sayHowToResume(session, pod, container)
    return 0
  },
}

function refuseCompleted(pod: KubeObject): void {
  const phase = textAt(pod, 'status.phase')
  if (phase === 'Succeeded' || phase === 'Failed') {
    fail(`cannot exec into a container in a completed pod; current phase is ${phase}`)
  }
}

export function streamsOf(session: Session): Streams {
  const input = session.flags.on('stdin')
  return {
    out: (text) => session.out(text),
    err: (text) => session.err(text),
    stdin: input ? session.self.stdin.pipe : null,
    tty: session.flags.on('tty'),
  }
}

/** Joins the container's first process; returns its exit code as far as the runtime tells one. */
export async function attachTo(session: Session, pod: KubeObject, container: string): Promise<number> {
  if (session.flags.on('tty') && !session.flags.on('quiet')) {
    session.err("If you don't see a command prompt, try pressing enter.\n")
  }
  return remote(session, () =>
    session.cluster.attach(namespaceOf(pod) ?? '', nameOf(pod), container, streamsOf(session)),
  )
}

/** A session that ends leaves its pod behind when the pod is one that starts again. */
export function sayHowToResume(session: Session, pod: KubeObject, container: string): void {
  const interactive = session.flags.on('stdin') && session.flags.on('tty') && !session.flags.on('quiet')
  if (!interactive || (textAt(pod, 'spec.restartPolicy') || 'Always') !== 'Always') return
  const again = `kubectl attach ${nameOf(pod)} -c ${container} -i -t`
  session.out(`Session ended, resume using '${again}' command when the pod is running\n`)
}

/** Waits for the other end; a killed kubectl takes the command with it. */
async function remote(session: Session, start: () => RemoteCommand): Promise<number> {
  let command: RemoteCommand | null = null
  let ended = false
  try {
    command = start()
    const { exit } = command
    const result = await session.self.wait<{ code: number } | { error: unknown }>((settle) => {
      exit.then(
        (code) => settle({ code }),
        (error: unknown) => settle({ error }),
      )
    })
    ended = true
    if (result === null) return 0
    if ('error' in result) throw result.error
    return result.code
  } catch (error) {
    if (isApiFailure(error) && error.reason === 'InternalError') fail(error.message)
    throw error
  } finally {
    if (!ended) command?.kill()
  }
}
