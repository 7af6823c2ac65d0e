/** What the API server makes of an object's fields before it stores it, and what of an object counts as its contents. */
import { ApiError } from './api-error.ts'
import type { KindInfo } from './kinds.ts'
import type { KubeObject } from './objects.ts'
import { SCHEMAS } from './schema.ts'
import { inspect } from './schema-shape.ts'

/** Strict decoding: the API server's sentences for fields that do not exist and for wrong types. */
export function decode(object: KubeObject, info: KindInfo): void {
  const schema = SCHEMAS.get(info.kind)
  if (schema === undefined) return
  const version = info.apiVersion.slice(info.apiVersion.indexOf('/') + 1)
  const refusal = `${info.kind} in version "${version}" cannot be handled as a ${info.kind}: `
  const findings = inspect(schema, object)
  if (object.apiVersion !== info.apiVersion) {
    const sentence = `podwire: kind ${info.kind} (apiVersion ${object.apiVersion}) is not modelled; ${info.apiVersion} is`
    throw new ApiError('NotModelled', sentence)
  }
  if (findings.wrong !== null) throw new ApiError('BadRequest', refusal + findings.wrong.sentence)
  if (findings.unknown.length > 0) {
    const fields = findings.unknown.map((field) => `unknown field "${field}"`).join(', ')
    throw new ApiError('BadRequest', `${refusal}strict decoding error: ${fields}`)
  }
}

export function withoutVersion(object: KubeObject): unknown {
  const { resourceVersion: _version, ...metadata } = object.metadata
  return { ...object, metadata }
}

export function contents(object: KubeObject): unknown {
  const { metadata: _metadata, status: _status, ...rest } = object
  return rest
}
