/** `kubectl create deployment|namespace|configmap`: objects made of flags. */
import type { KubeObject } from '../api.ts'
import { CREATION_FLAGS, containerNameOf, createObject, parsePort } from '../creation.ts'
import { fail, usage } from '../failure.ts'
import { array, text } from '../flags.ts'
import type { Command, Session } from '../session.ts'

/** The one NAME that a `create` command needs. */
export function oneName(session: Session): string {
  const name = session.args[0]
  if (session.args.length !== 1 || name === undefined) {
    usage(session.command, `exactly one NAME is required, got ${session.args.length}`)
  }
  return name
}

export const createNamespace: Command = {
  name: 'create namespace',
  flags: CREATION_FLAGS,
  run(session) {
    createObject(session, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: oneName(session) } } as KubeObject)
    return 0
  },
}

export const createDeployment: Command = {
  name: 'create deployment',
  flags: [...CREATION_FLAGS, { name: 'image', type: 'list' }, text('replicas', 'r'), text('port')],
  run(session) {
    const images = session.flags.all('image')
    if (images.length === 0) fail('required flag(s) "image" not set')
    const name = oneName(session)
    const command = session.rest ?? []
    if (images.length > 1 && command.length > 0) fail('cannot specify multiple --image options and command')
    const port = session.flags.text('port')
    const replicas = Number(session.flags.text('replicas') ?? '1')
    if (!Number.isInteger(replicas) || replicas < 0) fail('--replicas must be a non-negative integer')
    const ports = port === null ? {} : { ports: [{ containerPort: parsePort(port, 'port') }] }
    const containers = images.map((image) => ({
      image,
      name: containerNameOf(image),
      ...(command.length > 0 ? { command: [...command] } : {}),
      ...ports,
    }))
    const labels = { app: name }
    createObject(session, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace: session.namespace, labels },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers } },
      },
    } as KubeObject)
    return 0
  },
}

export const createConfigMap: Command = {
  name: 'create configmap',
  flags: [...CREATION_FLAGS, array('from-literal'), array('from-file')],
  run(session) {
    const name = oneName(session)
    const data: Record<string, string> = {}
    const add = (key: string, value: string): void => {
      if (key in data)
        fail(`cannot add key "${key}", another key by that name already exists in Data for ConfigMap "${name}"`)
      data[key] = value
    }
    for (const pair of session.flags.all('from-literal')) {
      const equals = pair.indexOf('=')
      if (equals <= 0) fail(`invalid literal source ${pair}, expected key=value`)
      add(pair.slice(0, equals), pair.slice(equals + 1))
    }
    for (const given of session.flags.all('from-file')) {
      const equals = given.indexOf('=')
      const path = given.slice(equals + 1)
      const content = session.files.read(path)
      if (content === null) fail(`error reading ${path}: no such file or directory`)
      add(equals < 0 ? path.slice(path.lastIndexOf('/') + 1) : given.slice(0, equals), content)
    }
    const metadata = { name, namespace: session.namespace }
    createObject(session, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data } as unknown as KubeObject)
    return 0
  },
}
