import { describe, expect, it } from 'vitest'
import * as core from '../../src/host/commands/coreutils.ts'
import { grep } from '../../src/host/commands/grep.ts'
import { sed } from '../../src/host/commands/sed.ts'
import * as text from '../../src/host/commands/text-tools.ts'
import { TextPipe } from '../../src/host/input.ts'
import type { Program } from '../../src/host/process.ts'
import { shell } from '../../src/host/shell.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { Box, transcript } from './box.ts'

const { readFile: _, unknownOption: __, ...commands } = core

const tools: Record<string, Program> = {
  ...commands,
  ...text,
  grep,
  sed,
  '[': core.test,
  sh: shell('dash'),
  bash: shell('bash'),
  ash: shell('busybox'),
  true: async () => 0,
  false: async () => 1,
  args: async (self) => {
    self.out(`${JSON.stringify(self.args.slice(1))}\n`)
    return 0
  },
  ticker: async (self) => {
    for (let i = 1; ; i++) {
      self.out(`tick ${i}\n`)
      await self.sleep(SECOND)
    }
  },
}

function machine() {
  const box = new Box(new Map(Object.entries(tools)))
  return { box, place: box.machine('node1').place }
}

async function run(line: string) {
  const { box, place } = machine()
  return box.say(place, line)
}

describe('words', () => {
  it.each([
    ['args a  b', ['a', 'b']],
    [`args 'a  b' "c d" e\\ f`, ['a  b', 'c d', 'e f']],
    [`args '' ""`, ['', '']],
    [`X='a b'; args $X "$X" '$X'`, ['a', 'b', 'a b', '$X']],
    ['args $NOTHING end', ['end']],
    ['args ${X:-none} ${HOSTNAME}', ['none', 'node1']],
    ['X=web-1; args ${X%-*} ${X#*-} ${#X}', ['web', '1', '5']],
    ['args $(echo one two) "$(echo one two)"', ['one', 'two', 'one two']],
    ['args `echo old`', ['old']],
    ['args $((2 + 3 * 4)) $(( (2+3)*4 % 7 ))', ['14', '6']],
    ['args a=b --x=y {} {print}', ['a=b', '--x=y', '{}', '{print}']],
    ['args a#b # a comment', ['a#b']],
    ['args one \\\n two', ['one', 'two']],
    [`args "it's \\"quoted\\" \\$HOME"`, [`it's "quoted" $HOME`]],
  ])('%s', async (line, expected) => {
    expect(JSON.parse((await run(line)).out)).toEqual(expected)
  })
})

describe('lists and pipes', () => {
  it.each([
    ['true && echo yes || echo no', 'yes\n', 0],
    ['false && echo yes || echo no', 'no\n', 0],
    ['! true; echo $?', '1\n', 0],
    ['false; echo $?', '1\n', 0],
    ['exit 3', '', 3],
    ['(exit 4); echo $?', '4\n', 0],
    ['sh -c "exit 5" || echo $?', '5\n', 0],
    ['echo b a | tr " " "\\n" | sort', 'a\nb\n', 0],
    ['false | true', '', 0],
    ['for i in 1 2 3; do echo $i; done | tail -1', '3\n', 0],
    ['i=0; while [ $i -lt 3 ]; do i=$((i+1)); done; echo $i', '3\n', 0],
    ['for i in 1 2 3 4; do [ $i = 2 ] && continue; [ $i = 4 ] && break; echo $i; done', '1\n3\n', 0],
    ['if [ -n "$HOSTNAME" ]; then echo named; elif true; then echo odd; else echo nameless; fi', 'named\n', 0],
    ['{ echo a; echo b; } | wc -l', '2\n', 0],
    ['printf "1 2\\n3 4\\n" | while read a b; do echo $b-$a; done', '2-1\n4-3\n', 0],
    ['set -e; false; echo not reached', '', 1],
    ['set -e; false || true; echo reached', 'reached\n', 0],
    ['X=1 printenv X; echo [$X]', '1\n[]\n', 0],
    ['export X=2; printenv X', '2\n', 0],
    ['X=3; printenv X', '', 1],
    ["sh -c 'echo $0 $1 $#' name one two", 'name one 2\n', 0],
  ])('%s', async (line, out, code) => {
    expect(await run(line)).toMatchObject({ out, code, err: '' })
  })

  it('passes text through a pipe as it comes, and kills the writer when the reader has gone', async () => {
    const { out, code, took } = await run('ticker | head -3')
    expect(out).toBe('tick 1\ntick 2\ntick 3\n')
    expect(code).toBe(0)
    expect(took).toBe(3 * SECOND)
  })

  it('runs commands in the background and waits for them', async () => {
    const { out, took } = await run('sleep 2 & sleep 3 & echo started; wait; echo done')
    expect(out).toBe('started\ndone\n')
    expect(took).toBe(3 * SECOND)
  })

  it('kills what runs in the background by its number', async () => {
    const { took } = await run('sleep 100 & kill $!; wait')
    expect(took).toBe(0)
  })

  it('ends a loop that would never end', async () => {
    const { code, err } = await run('while true; do echo x; done > /dev/null')
    expect(code).toBe(2)
    expect(err).toContain('podwire: this loop takes no virtual time')
  })
})

describe('redirections', () => {
  it.each([
    ['echo one > f; echo two >> f; cat f', 'one\ntwo\n', ''],
    ['echo one > f; cat < f', 'one\n', ''],
    ['cat nosuch 2> f; cat f', 'cat: nosuch: No such file or directory\n', ''],
    ['cat nosuch 2>&1 | wc -l', '1\n', ''],
    ['cat nosuch > /dev/null 2>&1', '', ''],
    ['echo oops >&2', '', 'oops\n'],
    ['cat <<END\nhello $HOSTNAME\nEND', 'hello node1\n', ''],
    ["cat <<'END'\nhello $HOSTNAME\nEND", 'hello $HOSTNAME\n', ''],
    ['cat < nosuch', '', 'sh: 1: cannot open nosuch: No such file\n'],
    ['cd /tmp; echo x > y; cat /tmp/y', 'x\n', ''],
    ['(echo a; echo b) > f; wc -l < f', '2\n', ''],
  ])('%s', async (line, out, err) => {
    expect(await run(line)).toMatchObject({ out, err })
  })
})

describe('what goes wrong', () => {
  it.each([
    ['frob', 127, 'sh: 1: frob: not found\n'],
    ["bash -c 'frob -x'", 127, 'bash: frob: command not found\n'],
    ["ash -c 'frob -x'", 127, 'sh: frob: not found\n'],
    ['echo (', 2, 'podwire: functions are not modelled\n'],
    ['if true; then', 2, 'sh: 1: Syntax error: end of file unexpected (expecting "fi")\n'],
    ['done', 2, 'sh: 1: Syntax error: "done" unexpected\n'],
    ['echo "half', 2, 'sh: 1: Unterminated quoted string\n'],
    ['case x in x) ;; esac', 2, 'podwire: case is not modelled\n'],
    ['cd /nowhere', 2, "sh: 1: cd: can't cd to /nowhere\n"],
  ])('%s', async (line, code, err) => {
    expect(await run(line)).toMatchObject({ code, err })
  })
})

describe('an interactive shell', () => {
  it('prompts, reads on while a command is unfinished, and ends with its input', async () => {
    const { box, place } = machine()
    const { io, text: said } = transcript()
    const stdin = new TextPipe()
    const { exit } = place.spawn(['ash'], { ...io, stdin, tty: true })
    stdin.write('echo one\nfor i in 2 3; do\necho $i\ndone\n')
    stdin.write('exit 7\n')
    expect(await box.runner.until(exit)).toBe(7)
    expect(said()).toBe('/ # one\n/ # > > 2\n3\n/ # ')
  })
})
