/** nft's language: what the real tool lists, and how it refuses, as recorded in nft-1.0.6.json. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Box } from './box.ts'
import recorded from './nft-1.0.6.json' with { type: 'json' }

function place() {
  const box = new Box()
  box.eth0.name = 'lo'
  box.eth0.index = 1
  const nft = (text: string, name = '', more = {}) => {
    const { out, err, code } = box.netfilter.runNft({ name, text, ...more }, () => [box.eth0])
    return { answer: out + err, code }
  }
  return { box, nft }
}

/** The rules of the one chain in a listing. */
function body(listing: string): string {
  const lines = listing.split('\n').filter((line) => line.startsWith('\t\t') && !line.startsWith('\t\ttype '))
  return lines.map((line) => line.slice(2)).join('\n')
}

describe('nft 1.0.6', () => {
  it('lists each rule, or refuses it, as the real one does', () => {
    for (const { rule, chain, hook, answer } of recorded.rules) {
      const { nft } = place()
      nft(recorded.prelude.replace('HOOK', hook), '/dev/stdin')
      const added = nft(`add rule ip t ${chain} ${rule}\n`, '/dev/stdin')
      const said = added.code === 0 ? body(nft(`list chain ip t ${chain}`).answer) : added.answer
      expect(said.trimEnd(), rule).toBe(answer.trimEnd())
    }
  })

  it('answers whole sessions as the real one does', () => {
    for (const session of recorded.sessions) {
      const { nft } = place()
      for (const { command, code, answer } of session) {
        const [, letters = '', words] = /^(?:-([asty]+) )?(.*)$/.exec(command) ?? []
        const options = {
          handles: letters.includes('a'),
          stateless: letters.includes('s'),
          terse: letters.includes('t'),
          numericPriority: letters.includes('y'),
        }
        const said = nft(words, '', options)
        const numbered = said.answer.replace(/(table [^\n]* # handle )\d+/g, '$1N')
        expect({ command, code: said.code, answer: numbered }).toEqual({ command, code, answer })
      }
    }
  })

  it('reads files as the real one does', () => {
    for (const { file, code, answer, ruleset } of recorded.files) {
      const { nft } = place()
      expect(nft(file, '/dev/stdin')).toEqual({ answer, code })
      expect(nft('list ruleset').answer).toBe(ruleset)
    }
  })

  it('reads its own listing again', () => {
    // The real one, too, takes a set of one element for that element.
    for (const { ruleset } of recorded.files.filter((each) => !each.ruleset.includes('{ 10.0.0.0/7 }'))) {
      const { nft } = place()
      nft(ruleset, '/dev/stdin')
      expect(nft('list ruleset').answer).toBe(ruleset)
    }
  })

  it('does a batch as a whole or not at all', () => {
    const { nft } = place()
    nft('table t { set s { type ipv4_addr; elements = { 1.1.1.1 }; }; chain a { accept; }; chain b { jump a; }; }', 'f')
    const before = nft('list ruleset', '', { handles: true }).answer
    const batch = `flush chain t b
delete chain t a
add chain t c { type filter hook input priority 0; }
rename chain t b d
add rule t c ip saddr @s drop
add element t s { 2.2.2.2 }
delete element t s { 1.1.1.1 }
flush ruleset
add table t
add rule t nowhere accept
`
    expect(nft(batch, '/dev/stdin').code).toBe(1)
    expect(nft('list ruleset', '', { handles: true }).answer).toBe(before)
    expect(nft('flush ruleset', '', { check: true }).code).toBe(0)
    expect(nft('list ruleset', '', { handles: true }).answer).toBe(before)
  })

  it('says what it does not know', () => {
    for (const rule of [
      'queue',
      'ip6 saddr ::1',
      'meta skuid 0',
      'tcp option maxseg size set 1200',
      'ct count over 5',
    ]) {
      const { nft } = place()
      nft('table t { chain c { }; }', 'f')
      expect(nft(`add rule t c ${rule}`)).toMatchObject({
        answer: expect.stringMatching(/^podwire: .* is not modelled\n$/),
        code: 2,
      })
    }
  })

  it('takes any bytes, and any of its words in any order', () => {
    const words = [...new Set(recorded.rules.flatMap(({ rule }) => rule.split(/(?<=[{},;])|(?=[{},;])|\s+/)))]
    const more = [
      'add',
      'rule',
      'table',
      'chain',
      'set',
      'element',
      't',
      'c',
      '{',
      '}',
      ';',
      '\n',
      '"',
      '$x',
      '@s1',
      'define',
    ]
    const line = fc.array(fc.constantFrom(...words, ...more), { maxLength: 14 }).map((each) => each.join(' '))
    const text = fc.oneof(
      line,
      line.map((rest) => `add rule t c ${rest}`),
      fc.string({ unit: 'binary', maxLength: 40 }),
    )
    fc.assert(
      fc.property(text, (input) => {
        const { nft } = place()
        nft(recorded.prelude.replace('HOOK', 'prerouting'), '/dev/stdin')
        const before = nft('list ruleset', '', { handles: true }).answer
        const { code } = nft(input, '/dev/stdin')
        expect([0, 1, 2]).toContain(code)
        if (code !== 0) expect(nft('list ruleset', '', { handles: true }).answer).toBe(before)
        else {
          // What was taken is listed in a form that is taken again.
          const listing = nft('list ruleset').answer
          const again = place()
          expect(again.nft(listing, '/dev/stdin')).toEqual({ answer: '', code: 0 })
        }
      }),
      { numRuns: 150 },
    )
  })
})
