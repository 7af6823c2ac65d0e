/** `kubectl version|cluster-info|api-resources|api-versions`, and what podwire's kubectl says it cannot do. */
import { Failure, fail, notModelled } from '../failure.ts'
import { mapAt, nameOf } from '../field.ts'
import { text, toggle, unmodelled } from '../flags.ts'
import { indentedJson } from '../print/json.ts'
import { ColumnWriter } from '../print/table.ts'
import { toYaml } from '../print/yaml.ts'
import { groupedPlural, groupVersion, needResource, RESOURCES } from '../resources.ts'
import type { Command } from '../session.ts'

const KUSTOMIZE = 'v5.5.0'

export const version: Command = {
  name: 'version',
  flags: [toggle('client'), text('output', 'o'), ...unmodelled('short')],
  run(session) {
    const output = session.flags.text('output')
    const client = session.flags.on('client')
    const { version: server } = session.cluster
    if (output === null || output === '') {
      session.out(`Client Version: ${server}\nKustomize Version: ${KUSTOMIZE}\n`)
      if (!client) session.out(`Server Version: ${server}\n`)
      return 0
    }
    const information = { gitVersion: server, major: server.slice(1).split('.')[0], minor: server.split('.')[1] }
    const all = {
      clientVersion: information,
      kustomizeVersion: KUSTOMIZE,
      ...(client ? {} : { serverVersion: information }),
    }
    if (output === 'json') session.out(`${indentedJson(all)}\n`)
    else if (output === 'yaml') session.out(toYaml(all))
    else fail(`--output must be 'yaml' or 'json'`)
    return 0
  },
}

export const clusterInfo: Command = {
  name: 'cluster-info',
  flags: [],
  run(session) {
    if (session.args[0] === 'dump') notModelled('kubectl cluster-info dump')
    const { server } = session.cluster
    session.out(`Kubernetes control plane is running at ${server}\n`)
    for (const service of session.cluster.list('Service', 'kube-system')) {
      const labels = mapAt(service, 'metadata.labels')
      if (labels['kubernetes.io/cluster-service'] !== 'true') continue
      const name = labels['kubernetes.io/name'] ?? nameOf(service)
      const proxy = `/api/v1/namespaces/kube-system/services/${nameOf(service)}:dns/proxy`
      session.out(`${name} is running at ${server}${proxy}\n`)
    }
    session.out("\nTo further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.\n")
    return 0
  },
}

export const apiResources: Command = {
  name: 'api-resources',
  flags: [
    toggle('no-headers'),
    text('api-group'),
    text('output', 'o'),
    text('namespaced'),
    ...unmodelled('verbs', 'sort-by', 'categories', 'cached'),
  ],
  run(session) {
    const group = session.flags.text('api-group')
    const namespaced = session.flags.text('namespaced')
    const shown = RESOURCES.filter(
      (resource) =>
        (group === null || resource.group === group) &&
        (namespaced === null || String(resource.namespaced) === namespaced),
    )
    if (session.flags.text('output') === 'name') {
      session.out(shown.map((resource) => `${groupedPlural(resource)}\n`).join(''))
      return 0
    }
    const rows = shown.map((resource) => {
      const { plural, short, kind } = resource
      return [plural, short.join(','), groupVersion(resource), String(resource.namespaced), kind]
    })
    if (!session.flags.on('no-headers')) rows.unshift(['NAME', 'SHORTNAMES', 'APIVERSION', 'NAMESPACED', 'KIND'])
    session.out(new ColumnWriter().write(rows))
    return 0
  },
}

export const apiVersions: Command = {
  name: 'api-versions',
  flags: [],
  run(session) {
    const versions = [...new Set(RESOURCES.map(groupVersion))].sort()
    session.out(versions.map((each) => `${each}\n`).join(''))
    return 0
  },
}

export const top: Command = {
  name: 'top',
  flags: [
    toggle('all-namespaces', 'A'),
    text('selector', 'l'),
    toggle('containers'),
    toggle('no-headers'),
    text('sort-by'),
  ],
  run() {
    fail('Metrics API not available')
  },
}

export const explain: Command = {
  name: 'explain',
  flags: [toggle('recursive'), text('api-version'), text('output')],
  run(session) {
    const word =
      session.args[0] ??
      fail(
        'You must specify the type of resource to explain. Use "kubectl api-resources" for a complete list of supported resources.',
      )
    needResource(word.split('.')[0]!)
    throw new Failure('podwire: kubectl explain is not modelled: podwire does not carry the API reference')
  },
}

/** Commands that kubectl has and podwire has not, with what to do instead. */
export const UNMODELLED: Readonly<Record<string, string>> = {
  'port-forward': 'podwire: kubectl port-forward is not modelled yet',
  proxy: 'podwire: kubectl proxy is not modelled',
  cp: 'podwire: kubectl cp is not modelled',
  debug: 'podwire: kubectl debug is not modelled',
  diff: 'podwire: kubectl diff is not modelled',
  auth: 'podwire: kubectl auth is not modelled: every request is allowed',
  autoscale: 'podwire: kubectl autoscale is not modelled',
  certificate: 'podwire: kubectl certificate is not modelled',
  completion: 'podwire: kubectl completion is not modelled',
  kustomize: 'podwire: kubectl kustomize is not modelled',
  plugin: 'podwire: kubectl plugin is not modelled',
  events: 'podwire: kubectl events is not modelled: use kubectl get events',
  options: 'podwire: kubectl options is not modelled',
  'rollout pause': 'podwire: kubectl rollout pause is not modelled',
  'rollout resume': 'podwire: kubectl rollout resume is not modelled',
  'set env': 'podwire: kubectl set env is not modelled: use kubectl patch',
  'set resources': 'podwire: kubectl set resources is not modelled',
  'set selector': 'podwire: kubectl set selector is not modelled: use kubectl patch',
  'set serviceaccount': 'podwire: kubectl set serviceaccount is not modelled',
  'create secret': 'podwire: kubectl create secret is not modelled',
  'create serviceaccount': 'podwire: kubectl create serviceaccount is not modelled',
  'create job': 'podwire: kubectl create job is not modelled',
  'create cronjob': 'podwire: kubectl create cronjob is not modelled',
  'create ingress': 'podwire: kubectl create ingress is not modelled',
  'create quota': 'podwire: kubectl create quota is not modelled',
  'create role': 'podwire: kubectl create role is not modelled',
  'create rolebinding': 'podwire: kubectl create rolebinding is not modelled',
  'create clusterrole': 'podwire: kubectl create clusterrole is not modelled',
  'create clusterrolebinding': 'podwire: kubectl create clusterrolebinding is not modelled',
  'create token': 'podwire: kubectl create token is not modelled',
  'config set': 'podwire: kubectl config set is not modelled: use kubectl config set-context',
  'config unset': 'podwire: kubectl config unset is not modelled',
  'config set-cluster': 'podwire: kubectl config set-cluster is not modelled',
  'config set-credentials': 'podwire: kubectl config set-credentials is not modelled',
  'config get-users': 'podwire: kubectl config get-users is not modelled',
  'config rename-context': 'podwire: kubectl config rename-context is not modelled',
}

export function refuseUnmodelled(name: string): void {
  const sentence = UNMODELLED[name]
  if (sentence !== undefined) throw new Failure(sentence)
}
