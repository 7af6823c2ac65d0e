/** The three kinds of PATCH: JSON merge patch (RFC 7386), JSON patch (RFC 6902), strategic merge patch. */
import { ApiError } from './api-error.ts'
import { clone, equal, isMap, type JsonMap } from './json.ts'

export type PatchType = 'merge' | 'strategic' | 'json'

/** Gives a patched copy. @throws ApiError BadRequest or Invalid when the patch does not fit. */
export function patched(target: unknown, type: PatchType, body: unknown): unknown {
  const copy: unknown = clone(target)
  if (type === 'json') return jsonPatch(copy, body)
  if (!isMap(body)) throw new ApiError('BadRequest', 'error decoding patch: json: cannot unmarshal non-object')
  return type === 'merge' ? mergePatch(copy, body) : strategicMap(isMap(copy) ? copy : {}, body)
}

function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isMap(patch)) return clone(patch)
  const result: JsonMap = isMap(target) ? target : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else result[key] = mergePatch(result[key], value)
  }
  return result
}

// ── strategic merge ──────────────────────────────────────────────────

/** By the list's field: the key that tells its elements apart. Lists that are not named here are replaced. */
const mergeKeys: Readonly<Record<string, string>> = {
  containers: 'name',
  initContainers: 'name',
  ephemeralContainers: 'name',
  env: 'name',
  volumes: 'name',
  imagePullSecrets: 'name',
  secrets: 'name',
  volumeMounts: 'mountPath',
  volumeDevices: 'devicePath',
  hostAliases: 'ip',
  conditions: 'type',
  ownerReferences: 'uid',
  topologySpreadConstraints: 'topologyKey',
}

function mergeKeyOf(field: string, items: readonly unknown[]): string | null {
  if (Object.hasOwn(mergeKeys, field)) return mergeKeys[field]
  if (field === 'taints') return 'key'
  if (field !== 'ports') return null
  // `ports` of a container are told apart by containerPort, those of a Service by port.
  if (items.some((item) => isMap(item) && 'containerPort' in item)) return 'containerPort'
  return items.some((item) => isMap(item) && 'port' in item) ? 'port' : null
}

const DIRECTIVE = /^\$(setElementOrder|deleteFromPrimitiveList)\/(.*)$/

function strategicMap(target: JsonMap, patch: JsonMap): JsonMap {
  if (patch.$patch === 'replace') {
    const { $patch: _directive, ...rest } = patch
    return clone(rest)
  }
  if (patch.$patch === 'delete') return {}
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$')) continue
    if (value === null) delete target[key]
    else if (isMap(value)) target[key] = strategicMap(isMap(target[key]) ? (target[key] as JsonMap) : {}, value)
    else if (Array.isArray(value)) target[key] = strategicList(key, target[key], value)
    else target[key] = value
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key === '$retainKeys' && Array.isArray(value)) {
      for (const name of Object.keys(target)) if (!value.includes(name)) delete target[name]
    }
    const directive = DIRECTIVE.exec(key)
    if (directive === null || !Array.isArray(value)) continue
    const [, act, field] = directive
    const present = target[field]
    if (!Array.isArray(present)) continue
    if (act === 'deleteFromPrimitiveList') target[field] = present.filter((item) => !value.includes(item))
    else target[field] = reorder(field, present, value)
  }
  return target
}

function strategicList(field: string, present: unknown, patch: readonly unknown[]): unknown[] {
  const before = Array.isArray(present) ? present : []
  if (field === 'finalizers') return [...new Set([...before, ...patch])]
  const key = mergeKeyOf(field, [...patch, ...before])
  if (key === null || patch.some((item) => isMap(item) && item.$patch === 'replace')) {
    return clone(patch.filter((item) => !(isMap(item) && item.$patch === 'replace')))
  }
  let result: unknown[] = [...before]
  for (const item of patch) {
    if (!isMap(item)) continue
    const at = result.findIndex((other) => isMap(other) && equal(other[key], item[key]))
    if (item.$patch === 'delete') result = result.filter((other) => !(isMap(other) && equal(other[key], item[key])))
    else if (at < 0) result.push(strategicMap({}, item))
    else result[at] = strategicMap({ ...(result[at] as JsonMap) }, item)
  }
  return result
}

/** The final order: the named ones as named, the others where they stood relative to their neighbours. */
function reorder(field: string, items: readonly unknown[], order: readonly unknown[]): unknown[] {
  const key = mergeKeyOf(field, [...order, ...items])
  const identity = (item: unknown) => (key !== null && isMap(item) ? item[key] : item)
  const rank = (item: unknown) => order.findIndex((wanted) => equal(identity(wanted), identity(item)))
  const named = items.filter((item) => rank(item) >= 0).sort((a, b) => rank(a) - rank(b))
  return items.map((item) => (rank(item) >= 0 ? named.shift() : item))
}

// ── JSON patch ───────────────────────────────────────────────────────

function jsonPatch(document: unknown, operations: unknown): unknown {
  if (!Array.isArray(operations))
    throw new ApiError(
      'BadRequest',
      'error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch',
    )
  const root: JsonMap = { document }
  for (const operation of operations) {
    if (!isMap(operation) || typeof operation.path !== 'string') {
      throw new ApiError('BadRequest', 'error decoding patch: an operation needs a path')
    }
    apply(root, operation, operation.path)
  }
  return root.document
}

function apply(root: JsonMap, operation: JsonMap, path: string): void {
  switch (operation.op) {
    case 'add':
      return put(root, path, clone(operation.value), true)
    case 'replace':
      read(root, path)
      return put(root, path, clone(operation.value), false)
    case 'remove':
      return remove(root, path)
    case 'test':
      if (equal(read(root, path), operation.value)) return
      return refuse(`testing path ${path} failed: test failed`)
    case 'copy':
      return put(root, path, clone(read(root, String(operation.from))), true)
    case 'move': {
      const moved = read(root, String(operation.from))
      remove(root, String(operation.from))
      return put(root, path, moved, true)
    }
    default:
      return refuse(`Unexpected kind: ${String(operation.op)}`)
  }
}

function refuse(sentence: string): never {
  throw new ApiError('Invalid', `the server rejected our request due to an error in our request: ${sentence}`)
}

function steps(path: string): string[] {
  const parts = path.split('/').slice(1)
  return ['document', ...parts.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))]
}

function parentOf(root: JsonMap, path: string): [JsonMap | unknown[], string] {
  const parts = steps(path)
  const last = parts.pop() as string
  let current: unknown = root
  for (const part of parts) {
    current = Array.isArray(current) ? current[Number(part)] : isMap(current) ? current[part] : undefined
    if (current === undefined) refuse(`path ${path}: missing path: missing value`)
  }
  if (!Array.isArray(current) && !isMap(current)) refuse(`path ${path}: missing path: missing value`)
  return [current as JsonMap | unknown[], last]
}

function read(root: JsonMap, path: string): unknown {
  const [parent, last] = parentOf(root, path)
  const found = Array.isArray(parent) ? parent[Number(last)] : parent[last]
  if (found === undefined) refuse(`path ${path}: missing path: missing value`)
  return found
}

function put(root: JsonMap, path: string, value: unknown, insert: boolean): void {
  const [parent, last] = parentOf(root, path)
  if (!Array.isArray(parent)) parent[last] = value
  else if (last === '-') parent.push(value)
  else if (!(Number(last) >= 0 && Number(last) <= parent.length)) refuse(`path ${path}: invalid index referenced`)
  else parent.splice(Number(last), insert ? 0 : 1, value)
}

function remove(root: JsonMap, path: string): void {
  read(root, path)
  const [parent, last] = parentOf(root, path)
  if (Array.isArray(parent)) parent.splice(Number(last), 1)
  else delete parent[last]
}
