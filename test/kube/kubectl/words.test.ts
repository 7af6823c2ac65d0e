import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { humanDuration, parseDuration, rfc1123z } from '../../../src/kube/kubectl/duration.ts'
import { indentedJson } from '../../../src/kube/kubectl/print/json.ts'
import { layOut } from '../../../src/kube/kubectl/print/tabwriter.ts'
import { toYaml } from '../../../src/kube/kubectl/print/yaml.ts'
import { parseSelector } from '../../../src/kube/kubectl/selector.ts'

const MINUTE = 60
const HOUR = 3600
const DAY = 86400

test.each([
  [0, '0s'],
  [119, '119s'],
  [120, '2m'],
  [150, '2m30s'],
  [10 * MINUTE - 1, '9m59s'],
  [10 * MINUTE + 5, '10m'],
  [3 * HOUR - 1, '179m'],
  [3 * HOUR + 5 * MINUTE, '3h5m'],
  [8 * HOUR + 5 * MINUTE, '8h'],
  [47 * HOUR, '47h'],
  [2 * DAY + 3 * HOUR, '2d3h'],
  [7 * DAY, '7d'],
  [8 * DAY + HOUR, '8d'],
  [400 * DAY, '400d'],
  [730 * DAY, '2y'],
  [800 * DAY, '2y70d'],
  [3000 * DAY, '8y'],
  [-1, '0s'],
  [-5, '<invalid>'],
])('%d seconds are %s', (seconds, text) => {
  expect(humanDuration(seconds * 1000)).toBe(text)
})

test.each([
  ['30s', 30e9],
  ['1m30s', 90e9],
  ['1.5h', 5400e9],
  ['-1s', -1e9],
  ['0', 0],
  ['5', null],
  ['x', null],
  ['', null],
])('Go reads the duration %j', (text, nanos) => {
  expect(parseDuration(text)).toBe(nanos)
})

test('describe writes times as RFC 1123', () => {
  expect(rfc1123z('2026-03-02T10:00:05Z')).toBe('Mon, 02 Mar 2026 10:00:05 +0000')
})

describe('label selectors', () => {
  const labels = { app: 'web', tier: 'front' }
  test.each([
    ['app=web', true],
    ['app==web', true],
    ['app = web', true],
    ['app!=web', false],
    ['app=web,tier=back', false],
    ['app in (web,api)', true],
    ['app in (api), tier', false],
    ['app notin (api)', true],
    ['missing notin (api)', true],
    ['missing!=x', true],
    ['tier', true],
    ['!tier', false],
    ['!missing', true],
    ['', true],
  ])('%j', (text, matches) => {
    expect(parseSelector(text)(labels)).toBe(matches)
  })

  test('nonsense is refused', () => {
    expect(() => parseSelector('a b=c')).toThrow(/unable to parse requirement/)
  })
})

test('a column of describe ends at a line without that cell', () => {
  expect(layOut('Name:\tx\nLonger:\ty\nHeading\n  a:\t1\n')).toBe('Name:    x\nLonger:  y\nHeading\n  a:  1\n')
})

test('YAML quotes what would be read as something else', () => {
  const value = { b: 'true', a: '80', n: 80, e: '', s: 'x: y', t: 'plain text', l: [{ k: [1] }], m: {}, x: 'a\nb\n' }
  expect(toYaml(value)).toBe(
    `a: "80"\nb: "true"\ne: ""\nl:\n- k:\n  - 1\nm: {}\n"n": 80\ns: 'x: y'\nt: plain text\nx: |\n  a\n  b\n`,
  )
})

test('every YAML text is read back as what it was', () => {
  const letters = fc.constantFrom(...' \n\t-:#\'"{}[],&*!|>%@`~=?\\ab0.yné'.split(''))
  const word = fc.oneof(
    fc.string({ unit: letters, maxLength: 8 }),
    fc.constantFrom('no', 'null', '1e3', '0x1', '2026-01-01'),
  )
  const tree = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      word,
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      tie('list'),
      tie('map'),
    ),
    list: fc.array(tie('value'), { maxLength: 3 }),
    map: fc.dictionary(word, tie('value'), { maxKeys: 3 }),
  }))
  fc.assert(
    fc.property(tree.map, (value) => {
      expect(parse(toYaml(value))).toEqual(JSON.parse(JSON.stringify(value)))
    }),
    { numRuns: 500, seed: 1 },
  )
})

test('JSON has sorted keys, four spaces, and escapes as Go does', () => {
  expect(indentedJson({ b: ['<'], a: {}, c: [] })).toBe(
    '{\n    "a": {},\n    "b": [\n        "\\u003c"\n    ],\n    "c": []\n}',
  )
})
