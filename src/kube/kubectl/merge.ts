/**
 * The three-way merge of `kubectl apply` and the difference that is sent to the server. What the last manifest had
 * and the new one has not is deleted; what the new one has is set; everything else stays as the cluster made it.
 */
import { clone } from '../json.ts'
import type { KubeObject } from './api.ts'
import { copyOf, isMap, type JsonMap, mapAt, same } from './field.ts'
import { compactJson } from './print/json.ts'

export const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'

/** Lists whose elements are merged by a key, by the field's name; other lists are replaced whole. */
const MERGE_KEYS: Readonly<Record<string, string>> = {
  containers: 'name',
  initContainers: 'name',
  ephemeralContainers: 'name',
  env: 'name',
  volumes: 'name',
  imagePullSecrets: 'name',
  volumeMounts: 'mountPath',
  volumeDevices: 'devicePath',
  hostAliases: 'ip',
  conditions: 'type',
  ownerReferences: 'uid',
  topologySpreadConstraints: 'topologyKey',
}

function mergeKey(path: readonly string[]): string | null {
  const field = path.at(-1) ?? ''
  // A Service's ports merge by port, a container's by containerPort; Endpoints' are replaced.
  if (field === 'ports') {
    if (path.length === 2 && path[0] === 'spec') return 'port'
    return path.includes('containers') || path.includes('initContainers') ? 'containerPort' : null
  }
  return MERGE_KEYS[field] ?? null
}

/** What the object becomes: `original` is the last manifest, `modified` the new one, `current` the live object. */
export function threeWay(
  original: unknown,
  modified: unknown,
  current: unknown,
  path: readonly string[] = [],
): unknown {
  if (isMap(modified) && isMap(current)) return mergeMaps(isMap(original) ? original : {}, modified, current, path)
  if (Array.isArray(modified) && Array.isArray(current)) {
    const key = mergeKey(path)
    if (key !== null && allKeyed(modified, key) && allKeyed(current, key)) {
      return mergeLists(Array.isArray(original) ? original : [], modified, current, key, path)
    }
  }
  return copyOf(modified)
}

function mergeMaps(original: JsonMap, modified: JsonMap, current: JsonMap, path: readonly string[]): JsonMap {
  const result: JsonMap = { ...current }
  for (const key of Object.keys(original)) if (!(key in modified)) delete result[key]
  for (const [key, value] of Object.entries(modified)) {
    if (value === null) delete result[key]
    else result[key] = threeWay(original[key], value, current[key], [...path, key])
  }
  return result
}

function allKeyed(list: readonly unknown[], key: string): list is JsonMap[] {
  return list.every((element) => isMap(element) && element[key] !== undefined)
}

function mergeLists(
  original: readonly unknown[],
  modified: readonly JsonMap[],
  current: readonly JsonMap[],
  key: string,
  path: readonly string[],
): unknown[] {
  const named = (list: readonly unknown[], value: unknown): JsonMap | undefined => {
    return list.find((element): element is JsonMap => isMap(element) && element[key] === value)
  }
  const result: unknown[] = modified.map((element) => {
    const live = named(current, element[key])
    return live === undefined ? copyOf(element) : threeWay(named(original, element[key]), element, live, path)
  })
  for (const element of current) {
    const value = element[key]
    if (named(modified, value) === undefined && named(original, value) === undefined) result.push(element)
  }
  return result
}

/** The JSON merge patch that makes `wanted` of `current`; null when they are equal. */
export function difference(current: unknown, wanted: unknown): JsonMap | null {
  if (!isMap(current) || !isMap(wanted)) return null
  const patch: JsonMap = {}
  for (const key of Object.keys(current)) {
    if (current[key] !== undefined && wanted[key] === undefined) patch[key] = null
  }
  for (const [key, value] of Object.entries(wanted)) {
    if (value === undefined || same(current[key], value)) continue
    patch[key] = isMap(value) && isMap(current[key]) ? difference(current[key], value) : value
  }
  return Object.keys(patch).length === 0 ? null : patch
}

/** The manifest with itself, as one line, in its annotation. */
export function annotated(object: KubeObject): KubeObject {
  const annotations = { ...mapAt(object, 'metadata.annotations') }
  delete annotations[LAST_APPLIED]
  const plain = { ...object, metadata: { ...object.metadata, annotations } }
  annotations[LAST_APPLIED] = `${compactJson(clone(plain))}\n`
  return plain
}
