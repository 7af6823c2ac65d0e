/** `kubectl config`: contexts of the workstation's kubeconfig. */
import type { KubeConfig } from '../config.ts'
import { fail, notModelled, usage } from '../failure.ts'
import { text, toggle, unmodelled } from '../flags.ts'
import { indentedJson } from '../print/json.ts'
import { parseOutput } from '../print/output.ts'
import { ColumnWriter } from '../print/table.ts'
import { toYaml } from '../print/yaml.ts'
import type { Command, Session } from '../session.ts'

export const currentContext: Command = {
  name: 'config current-context',
  flags: [],
  run(session) {
    if (session.config.current === '') fail('current-context is not set')
    session.out(`${session.config.current}\n`)
    return 0
  },
}

export const getContexts: Command = {
  name: 'config get-contexts',
  flags: [toggle('no-headers'), text('output', 'o')],
  run(session) {
    const { config } = session
    const names = session.args.length > 0 ? [...session.args] : [...config.contexts.keys()].sort()
    const unknown = names.find((name) => !config.contexts.has(name))
    if (unknown !== undefined) fail(`context ${unknown} not found`)
    if (session.flags.text('output') === 'name') {
      session.out(names.map((name) => `${name}\n`).join(''))
      return 0
    }
    const rows = names.map((name) => {
      const context = config.contexts.get(name)!
      return [name === config.current ? '*' : '', name, context.cluster, context.user, context.namespace]
    })
    if (!session.flags.on('no-headers')) rows.unshift(['CURRENT', 'NAME', 'CLUSTER', 'AUTHINFO', 'NAMESPACE'])
    session.out(new ColumnWriter().write(rows))
    return 0
  },
}

export const useContext: Command = {
  name: 'config use-context',
  flags: [],
  run(session) {
    const name = oneContext(session)
    if (!session.config.contexts.has(name)) fail(`no context exists with the name: "${name}"`)
    session.config.current = name
    session.out(`Switched to context "${name}".\n`)
    return 0
  },
}

export const setContext: Command = {
  name: 'config set-context',
  flags: [toggle('current'), text('cluster'), text('user')],
  run(session) {
    const { config } = session
    const current = session.flags.on('current')
    if (current && session.args.length > 0) fail('you cannot specify a context name and --current')
    const name = current ? config.current : oneContext(session)
    const before = config.contexts.get(name)
    const cluster = session.flags.text('cluster') ?? before?.cluster ?? config.cluster
    if (cluster !== config.cluster) fail(`cluster "${cluster}" does not exist`)
    config.contexts.set(name, {
      cluster,
      user: session.flags.text('user') ?? before?.user ?? config.user,
      namespace: session.flags.text('namespace') ?? before?.namespace ?? '',
    })
    session.out(`Context "${name}" ${before === undefined ? 'created' : 'modified'}.\n`)
    return 0
  },
}

export const deleteContext: Command = {
  name: 'config delete-context',
  flags: [],
  run(session) {
    const name = oneContext(session)
    if (!session.config.contexts.delete(name)) fail(`cannot delete context ${name}, not in /root/.kube/config`)
    if (name === session.config.current) {
      session.err(
        'warning: this removed your active context, use "kubectl config use-context" to select a different one\n',
      )
    }
    session.out(`deleted context ${name} from /root/.kube/config\n`)
    return 0
  },
}

export const getClusters: Command = {
  name: 'config get-clusters',
  flags: [],
  run(session) {
    session.out(`NAME\n${session.config.cluster}\n`)
    return 0
  },
}

export const viewConfig: Command = {
  name: 'config view',
  flags: [toggle('minify'), text('output', 'o'), ...unmodelled('raw', 'flatten', 'merge')],
  run(session) {
    const form = parseOutput(session.flags.text('output') ?? 'yaml')
    const file = kubeconfigOf(session.config, session.flags.on('minify'))
    if (form.format === 'json') session.out(`${indentedJson(file)}\n`)
    else if (form.format === 'yaml') session.out(toYaml(file))
    else notModelled(`kubectl config view -o ${form.format}`)
    return 0
  },
}

function oneContext(session: Session): string {
  const name = session.args[0]
  if (session.args.length !== 1 || name === undefined)
    usage(session.command, `unexpected args: [${session.args.join(' ')}]`)
  return name
}

function kubeconfigOf(config: KubeConfig, minify: boolean): unknown {
  const names = [...config.contexts.keys()].sort().filter((name) => !minify || name === config.current)
  return {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': config.current,
    preferences: {},
    clusters: [
      { name: config.cluster, cluster: { 'certificate-authority-data': 'DATA+OMITTED', server: config.server } },
    ],
    contexts: names.map((name) => {
      const { cluster, user, namespace } = config.contexts.get(name)!
      return { name, context: { cluster, user, ...(namespace === '' ? {} : { namespace }) } }
    }),
    users: [
      {
        name: config.user,
        user: { 'client-certificate-data': 'DATA+OMITTED', 'client-key-data': 'DATA+OMITTED' },
      },
    ],
  }
}
