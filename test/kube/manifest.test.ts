import { describe, expect, it } from 'vitest'
import { ManifestError, parseManifests } from '../../src/kube/manifest.ts'

function failure(text: string, strict = false): ManifestError {
  try {
    parseManifests(text, 'x.yaml', { strict })
  } catch (error) {
    if (error instanceof ManifestError) return error
    throw error
  }
  throw new Error('the manifest was accepted')
}

describe('manifests', () => {
  it('are several documents, keys in any order, without a last newline', () => {
    const text = `---
kind: Service
spec:
  ports:
    - port: 80
metadata:
  name: web
apiVersion: v1
---
# nothing here
---
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: v}}
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}
---
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}`
    const objects = parseManifests(text, 'x.yaml')
    expect(objects.map((object) => `${object.kind} ${object.metadata.name}`)).toEqual([
      'Service web',
      'ConfigMap a',
      'ConfigMap b',
      'Pod p',
    ])
    expect(parseManifests('', 'x.yaml')).toEqual([])
    expect(parseManifests('---\n---\n', 'x.yaml')).toEqual([])
  })

  it('of kinds that are not modelled say where and what is', () => {
    const error = failure('apiVersion: v1\nkind: Pods\nmetadata:\n  name: x\n')
    expect([error.line, error.column, error.found]).toEqual([2, 7, 'Pods'])
    expect(error.sentence).toBe('podwire: kind Pods (apiVersion v1) is not modelled')
    expect(error.expected).toContain('Deployment (apps/v1)')
    expect(error.suggestion).toBe('did you mean Pod?')
    expect(error.message).toMatch(/^x\.yaml:2:7: podwire: kind Pods/)
    const version = failure('kind: Deployment\napiVersion: extensions/v1beta1\nmetadata: {name: x}')
    expect([version.line, version.column, version.expected]).toEqual([2, 13, 'apiVersion apps/v1 for Deployment'])
  })

  it('tell what is missing or has the wrong type', () => {
    expect(failure('kind: Pod\nmetadata: {name: x}').sentence).toBe('apiVersion is missing')
    expect(failure('apiVersion: v1\nkind: Pod\nmetadata:\n  labels: {}\n').sentence).toBe('metadata.name is missing')
    const number = failure('apiVersion: v1\nkind: Pod\nmetadata:\n  name: 12\n')
    expect([number.line, number.column, number.suggestion]).toEqual([4, 9, 'put it in quotes: name: "12"'])
    expect(failure('- a\n- b\n').found).toBe('a list')
  })

  it('with broken YAML say where', () => {
    const error = failure('apiVersion: v1\nkind: Pod\n  metadata: x\n')
    expect(error.line).toBe(2)
    expect(failure('apiVersion: v1\nkind: Pod\nkind: Pod\n').sentence).toBe('Map keys must be unique')
  })

  it('are checked field by field when asked to', () => {
    const text = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replica: 2
`
    expect(parseManifests(text, 'x.yaml')).toHaveLength(1)
    const error = failure(text, true)
    expect([error.line, error.column]).toEqual([6, 3])
    expect(error.sentence).toBe('strict decoding error: unknown field "spec.replica"')
    expect(error.suggestion).toBe('did you mean replicas?')
    const type = failure(text.replace('replica: 2', 'replicas: two'), true)
    expect(type.line).toBe(6)
    expect(type.sentence).toBe(
      'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
    )
  })
})
