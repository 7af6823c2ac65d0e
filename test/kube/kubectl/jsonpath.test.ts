import { describe, expect, test } from 'vitest'
import { jsonPath } from '../../../src/kube/kubectl/print/output.ts'

const LIST = {
  kind: 'List',
  items: [
    {
      metadata: { name: 'a', labels: { app: 'web', 'app.kubernetes.io/name': 'x' } },
      status: { podIP: '10.0.0.1', phase: 'Running', count: 1 },
      ports: [{ port: 80 }, { port: 443, name: 'https' }],
    },
    { metadata: { name: 'b', labels: { app: 'api' } }, status: { podIP: '10.0.0.2', phase: 'Pending', count: 3 } },
    { metadata: { name: 'c' }, status: { phase: 'Running', ok: true, nothing: null } },
  ],
}

test.each([
  ['{.kind}', 'List'],
  ['{.items[0].status.podIP}', '10.0.0.1'],
  ['{.items[*].metadata.name}', 'a b c'],
  ['{.items[-1].metadata.name}', 'c'],
  ['{.items[0:2].metadata.name}', 'a b'],
  ['{.items[:2].metadata.name}', 'a b'],
  ['{.items[1:].metadata.name}', 'b c'],
  ['{.items[::2].metadata.name}', 'a c'],
  ['{.items[0,2].metadata.name}', 'a c'],
  ["{.items[0]['metadata','status'].name}", 'a'],
  ['{.items[0].metadata.labels}', '{"app":"web","app.kubernetes.io/name":"x"}'],
  ['{.items[0].ports}', '[{"port":80},{"name":"https","port":443}]'],
  ["{.items[0].metadata.labels['app\\.kubernetes\\.io/name']}", 'x'],
  ['{.items[0].metadata.labels.app\\.kubernetes\\.io/name}', 'x'],
  ['{.items[*].status.podIP}', '10.0.0.1 10.0.0.2'],
  ['{.items[2].status.missing}', ''],
  ['{.items[2].status.ok}', 'true'],
  ['{.items[2].status.nothing}', ''],
  ['{..podIP}', '10.0.0.1 10.0.0.2'],
  ['{..port}', '80 443'],
  ['{.items[?(@.metadata.name=="b")].status.podIP}', '10.0.0.2'],
  ["{.items[?(@.status.phase=='Running')].metadata.name}", 'a c'],
  ["{.items[?(@.status.phase!='Running')].metadata.name}", 'b'],
  ['{.items[?(@.status.count>1)].metadata.name}', 'b'],
  ['{.items[?(@.status.podIP)].metadata.name}', 'a b'],
  ['{.items[?(@.status.ok==true)].metadata.name}', 'c'],
  ['{range .items[*]}{.metadata.name}{"\\t"}{.status.podIP}{"\\n"}{end}', 'a\t10.0.0.1\nb\t10.0.0.2\nc\t\n'],
  ['{range .items[0].ports[*]}[{.port}]{end}', '[80][443]'],
  ['{range .items[*]}{range .ports[*]}{.port} {end}{end}', '80 443 '],
  ['name: {.items[0].metadata.name}!', 'name: a!'],
  ['{$.kind}{"}"}', 'List}'],
  ['plain text', 'plain text'],
])('%s', (template, output) => {
  expect(jsonPath(template, LIST)).toBe(output)
})

describe('errors', () => {
  test('an index beyond the end says what was given', () => {
    expect(() => jsonPath('{.items[0].status.podIP}', { items: [] })).toThrow(
      'error: error executing jsonpath "{.items[0].status.podIP}": Error executing template: ' +
        'array index out of bounds: index 0, length 0. Printing more information for debugging the template:\n' +
        '\ttemplate was:\n\t\t{.items[0].status.podIP}\n\tobject given to jsonpath engine was:\n' +
        '\t\tmap[string]interface {}{"items":[]interface {}{}}\n\n',
    )
  })

  test.each([
    ['{.items[0', 'unclosed action'],
    ['{range .items[*]}x', 'unterminated range'],
    ['{end}', 'not in range'],
    ['{.items[x]}', 'invalid array index x'],
  ])('%s', (template, message) => {
    expect(() => jsonPath(template, LIST)).toThrow(message)
  })
})
