/** `-f`: files, directories and standard input, read as objects. */
import type { KubeObject } from './api.ts'
import { Failure, fail, notModelled } from './failure.ts'
import { nameOf, namespaceOf } from './field.ts'
import { type Flag, list, toggle, unmodelled } from './flags.ts'
import { type Resource, resourceOfKind } from './resources.ts'
import type { Session } from './session.ts'

export interface Manifest {
  readonly object: KubeObject
  readonly resource: Resource
  /** The file's name as the user gave it; STDIN for `-`. */
  readonly source: string
}

export const FILE_FLAGS: readonly Flag[] = [list('filename', 'f'), toggle('recursive', 'R'), ...unmodelled('kustomize')]

const EXTENSIONS = ['.json', '.yaml', '.yml']

export async function readManifests(session: Session): Promise<Manifest[]> {
  const manifests: Manifest[] = []
  for (const path of session.flags.all('filename')) {
    if (path === '-') {
      append(session, manifests, await session.self.stdin.readAll(), 'STDIN')
    } else if (/^https?:/.test(path)) {
      notModelled(`reading a manifest from ${path}`)
    } else {
      for (const file of filesAt(session, path)) append(session, manifests, session.files.read(file) ?? '', file)
    }
  }
  if (manifests.length === 0) fail(`no objects passed to ${session.command}`)
  return manifests
}

function filesAt(session: Session, path: string): string[] {
  if (session.files.read(path) !== null) return [path]
  const found: string[] = []
  const visit = (directory: string): boolean => {
    const names = session.files.list(directory)
    if (names === null) return false
    for (const name of names) {
      const inside = `${directory.replace(/\/$/, '')}/${name}`
      if (session.files.read(inside) === null) {
        if (session.flags.on('recursive')) visit(inside)
      } else if (EXTENSIONS.some((extension) => name.endsWith(extension))) found.push(inside)
    }
    return true
  }
  if (!visit(path)) fail(`the path "${path}" does not exist`)
  if (found.length === 0) {
    fail(`error reading [${path}]: recognized file extensions are [.json .yaml .yml]`)
  }
  return found
}

function append(session: Session, manifests: Manifest[], text: string, source: string): void {
  for (const parsed of parsedObjects(session, text, source)) {
    const objects = parsed.kind === 'List' && Array.isArray(parsed.items) ? (parsed.items as KubeObject[]) : [parsed]
    for (const object of objects) manifests.push(manifest(session, object, source))
  }
}

/** What the reader minds is told with its place in the file. */
function parsedObjects(session: Session, text: string, source: string): readonly KubeObject[] {
  try {
    return session.cluster.parse(text, source)
  } catch (error) {
    if (error instanceof Error) fail(error.message)
    throw error
  }
}

function manifest(session: Session, object: KubeObject, source: string): Manifest {
  const resource = resourceOfKind(object.kind)
  const name = nameOf(object)
  if (resource === null) {
    const where = `resource mapping not found for name: "${name}" namespace: "${namespaceOf(object) ?? ''}"`
    const why = `no matches for kind "${object.kind}" in version "${object.apiVersion}"`
    throw new Failure(`error: ${where} from "${source}": ${why}\nensure CRDs are installed first`)
  }
  const wanted = session.flags.text('namespace')
  const namespace = namespaceOf(object)
  if (resource.namespaced && wanted !== null && namespace !== null && namespace !== wanted) {
    const own = `the namespace from the provided object "${namespace}" does not match`
    fail(`${own} the namespace "${wanted}". You must pass '--namespace=${namespace}' to perform this operation.`)
  }
  if (!resource.namespaced || namespace !== null) return { object, resource, source }
  const metadata = { ...object.metadata, namespace: session.namespace }
  return { object: { ...object, metadata }, resource, source }
}
