/** Containers, volumes and tolerations, as pods and pod templates are described. */
import { at, isMap, listAt, mapAt, numberAt, textAt } from '../field.ts'
import type { Description } from './text.ts'

/** `level` is that of the heading; statuses exist for pods only. */
export function describeContainers(
  heading: string,
  containers: readonly unknown[],
  statuses: readonly unknown[] | null,
  into: Description,
  level: number,
): void {
  into.line(level, `${heading}:`)
  // A template's containers are indented by a single space more, a pod's by a level.
  const inner = statuses === null ? level : level + 1
  const space = statuses === null ? ' ' : ''
  const base = statuses === null ? level + 1 : level + 2
  for (const container of containers) {
    const name = textAt(container, 'name')
    into.line(inner, `${space}${name}:`)
    const status = statuses?.find((candidate) => textAt(candidate, 'name') === name)
    describeBasics(container, status, into, base)
    describeWords('Command', listAt(container, 'command'), into, base)
    describeWords('Args', listAt(container, 'args'), into, base)
    if (status !== undefined) describeStatus(status, into, base)
    describeResources(container, into, base)
    for (const probe of ['liveness', 'readiness', 'startup']) {
      const spec = at(container, `${probe}Probe`)
      if (isMap(spec)) into.line(base, `${probe[0]!.toUpperCase()}${probe.slice(1)}:\t${probeText(spec)}`)
    }
    describeEnvironment(container, into, base)
    const mounts = listAt(container, 'volumeMounts')
    if (mounts.length === 0) into.line(base, 'Mounts:\t<none>')
    else {
      into.line(base, 'Mounts:')
      for (const mount of mounts) {
        const mode = at(mount, 'readOnly') === true ? 'ro' : 'rw'
        into.line(base + 1, `${textAt(mount, 'mountPath')} from ${textAt(mount, 'name')} (${mode})`)
      }
    }
  }
}

function describeBasics(container: unknown, status: unknown, into: Description, level: number): void {
  const ports = listAt(container, 'ports')
  const text = (field: string): string =>
    ports.map((port) => `${numberAt(port, field)}/${textAt(port, 'protocol') || 'TCP'}`).join(', ') || '<none>'
  const s = ports.length > 1 ? 's' : ''
  if (status !== undefined) into.line(level, `Container ID:\t${textAt(status, 'containerID')}`)
  into.line(level, `Image:\t${textAt(container, 'image')}`)
  if (status !== undefined) into.line(level, `Image ID:\t${textAt(status, 'imageID')}`)
  into.line(level, `Port${s}:\t${text('containerPort')}`)
  into.line(level, `Host Port${s}:\t${text('hostPort')}`)
}

function describeWords(title: string, words: readonly unknown[], into: Description, level: number): void {
  if (words.length === 0) return
  into.line(level, `${title}:`)
  for (const word of words) for (const line of String(word).split('\n')) into.line(level + 1, line)
}

function describeStatus(status: unknown, into: Description, level: number): void {
  describeState('State', at(status, 'state'), into, level)
  if (isMap(at(status, 'lastState.terminated'))) describeState('Last State', at(status, 'lastState'), into, level)
  into.line(level, `Ready:\t${at(status, 'ready') === true ? 'True' : 'False'}`)
  into.line(level, `Restart Count:\t${numberAt(status, 'restartCount')}`)
}

function describeState(title: string, state: unknown, into: Description, level: number): void {
  const terminated = at(state, 'terminated')
  if (isMap(at(state, 'running'))) {
    into.line(level, `${title}:\tRunning`)
    into.time(level + 1, 'Started', textAt(state, 'running.startedAt'))
  } else if (isMap(terminated)) {
    into.line(level, `${title}:\tTerminated`)
    if (textAt(terminated, 'reason') !== '') into.line(level + 1, `Reason:\t${textAt(terminated, 'reason')}`)
    if (textAt(terminated, 'message') !== '') into.line(level + 1, `Message:\t${textAt(terminated, 'message')}`)
    into.line(level + 1, `Exit Code:\t${numberAt(terminated, 'exitCode')}`)
    if (numberAt(terminated, 'signal') > 0) into.line(level + 1, `Signal:\t${numberAt(terminated, 'signal')}`)
    into.time(level + 1, 'Started', textAt(terminated, 'startedAt'))
    into.time(level + 1, 'Finished', textAt(terminated, 'finishedAt'))
  } else {
    into.line(level, `${title}:\tWaiting`)
    const reason = textAt(state, 'waiting.reason')
    if (reason !== '') into.line(level + 1, `Reason:\t${reason}`)
  }
}

function describeResources(container: unknown, into: Description, level: number): void {
  for (const [title, field] of [
    ['Limits', 'limits'],
    ['Requests', 'requests'],
  ] as const) {
    const amounts = mapAt(container, `resources.${field}`)
    const names = Object.keys(amounts).sort()
    if (names.length === 0) continue
    into.line(level, `${title}:`)
    for (const name of names) into.line(level + 1, `${name}:\t${amounts[name]}`)
  }
}

function probeText(probe: unknown): string {
  const number = (field: string, otherwise: number): number => numberAt(probe, field, otherwise)
  const times =
    `delay=${number('initialDelaySeconds', 0)}s timeout=${number('timeoutSeconds', 1)}s ` +
    `period=${number('periodSeconds', 10)}s #success=${number('successThreshold', 1)} ` +
    `#failure=${number('failureThreshold', 3)}`
  const command = listAt(probe, 'exec.command')
  if (command.length > 0) return `exec [${command.join(' ')}] ${times}`
  if (isMap(at(probe, 'httpGet'))) {
    const scheme = (textAt(probe, 'httpGet.scheme') || 'HTTP').toLowerCase()
    const host = `${textAt(probe, 'httpGet.host')}:${textAt(probe, 'httpGet.port')}`
    return `http-get ${scheme}://${host}${textAt(probe, 'httpGet.path') || '/'} ${times}`
  }
  if (isMap(at(probe, 'tcpSocket'))) {
    return `tcp-socket ${textAt(probe, 'tcpSocket.host')}:${textAt(probe, 'tcpSocket.port')} ${times}`
  }
  return `unknown ${times}`
}

function describeEnvironment(container: unknown, into: Description, level: number): void {
  const variables = listAt(container, 'env')
  if (variables.length === 0) {
    into.line(level, 'Environment:\t<none>')
    return
  }
  into.line(level, 'Environment:')
  for (const variable of variables) {
    const name = textAt(variable, 'name')
    const field = textAt(variable, 'valueFrom.fieldRef.fieldPath')
    const map = at(variable, 'valueFrom.configMapKeyRef')
    if (field !== '') into.line(level + 1, `${name}:\t (v1:${field})`)
    else if (isMap(map)) {
      const optional = `Optional: ${at(map, 'optional') === true}`
      into.line(
        level + 1,
        `${name}:\t<set to the key '${textAt(map, 'key')}' of config map '${textAt(map, 'name')}'>\t${optional}`,
      )
    } else into.line(level + 1, `${name}:\t${textAt(variable, 'value')}`)
  }
}

export function describeVolumes(volumes: readonly unknown[], into: Description, level: number): void {
  if (volumes.length === 0) {
    into.line(level, 'Volumes:\t<none>')
    return
  }
  into.line(level, 'Volumes:')
  for (const volume of volumes) {
    into.line(level, `${level === 0 ? '  ' : ' '}${textAt(volume, 'name')}:`)
    describeVolume(volume, into, level === 0 ? 2 : level + 1)
  }
}

function describeVolume(volume: unknown, into: Description, level: number): void {
  const has = (source: string): boolean => isMap(at(volume, source))
  const line = (text: string): void => into.line(level, text)
  if (has('hostPath')) {
    line('Type:\tHostPath (bare host directory volume)')
    line(`Path:\t${textAt(volume, 'hostPath.path')}`)
    line(`HostPathType:\t${textAt(volume, 'hostPath.type')}`)
  } else if (has('emptyDir')) {
    line("Type:\tEmptyDir (a temporary directory that shares a pod's lifetime)")
    line(`Medium:\t${textAt(volume, 'emptyDir.medium')}`)
    line(`SizeLimit:\t${textAt(volume, 'emptyDir.sizeLimit') || '<unset>'}`)
  } else if (has('configMap')) {
    line('Type:\tConfigMap (a volume populated by a ConfigMap)')
    line(`Name:\t${textAt(volume, 'configMap.name')}`)
    line(`Optional:\t${at(volume, 'configMap.optional') === true}`)
  } else if (has('secret')) {
    line('Type:\tSecret (a volume populated by a Secret)')
    line(`SecretName:\t${textAt(volume, 'secret.secretName')}`)
    line(`Optional:\t${at(volume, 'secret.optional') === true}`)
  } else if (has('projected')) {
    line('Type:\tProjected (a volume that contains injected data from multiple sources)')
    for (const source of listAt(volume, 'projected.sources')) {
      const token = at(source, 'serviceAccountToken')
      if (isMap(token)) line(`TokenExpirationSeconds:\t${numberAt(token, 'expirationSeconds', 3600)}`)
      if (isMap(at(source, 'configMap'))) {
        line(`ConfigMapName:\t${textAt(source, 'configMap.name')}`)
        line(`ConfigMapOptional:\t${textAt(source, 'configMap.optional') || '<nil>'}`)
      }
      if (isMap(at(source, 'downwardAPI'))) line('DownwardAPI:\ttrue')
    }
  } else line('<unknown>')
}

export function describeTolerations(tolerations: readonly unknown[], into: Description, level: number): void {
  if (tolerations.length === 0) {
    into.line(level, 'Tolerations:\t<none>')
    return
  }
  const lines = tolerations.map(tolerationText).sort()
  lines.forEach((text, index) => {
    into.line(index === 0 ? level : 0, `${index === 0 ? 'Tolerations:' : ''}\t${text}`)
  })
}

function tolerationText(toleration: unknown): string {
  const value = textAt(toleration, 'value')
  const effect = textAt(toleration, 'effect')
  const operator = textAt(toleration, 'operator')
  const seconds = at(toleration, 'tolerationSeconds')
  let text = textAt(toleration, 'key')
  if (value !== '') text += `=${value}`
  if (effect !== '') text += `:${effect}`
  if (operator === 'Exists' && value === '') text += text !== '' || effect !== '' ? ' op=Exists' : 'op=Exists'
  if (typeof seconds === 'number') text += ` for ${seconds}s`
  return text
}

/** The Pod Template of Deployments, ReplicaSets and DaemonSets. */
export function describeTemplate(template: unknown, into: Description): void {
  into.line(0, 'Pod Template:')
  into.labels('Labels', mapAt(template, 'metadata.labels'), 1)
  if (Object.keys(mapAt(template, 'metadata.annotations')).length > 0) into.annotations(template, 1)
  const account = textAt(template, 'spec.serviceAccountName')
  if (account !== '') into.line(1, `Service Account:\t${account}`)
  const init = listAt(template, 'spec.initContainers')
  if (init.length > 0) describeContainers('Init Containers', init, null, into, 1)
  describeContainers('Containers', listAt(template, 'spec.containers'), null, into, 1)
  describeVolumes(listAt(template, 'spec.volumes'), into, 1)
  into.labels('Node-Selectors', mapAt(template, 'spec.nodeSelector'), 1)
  describeTolerations(listAt(template, 'spec.tolerations'), into, 1)
}
