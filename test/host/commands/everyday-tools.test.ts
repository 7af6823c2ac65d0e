/** Small tools of coreutils, procps, vim and bash, held to what Debian 12's print (and BusyBox 1.36's where it says so). */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { busyboxCommands, linuxCommands } from '../../../src/host/commands/table.ts'
import { md5Hex } from '../../../src/host/md5.ts'
import { MILLISECOND, SECOND } from '../../../src/sim/scheduler.ts'
import { Box } from '../box.ts'

function typing(programs = linuxCommands()) {
  const box = new Box(programs)
  const { place } = box.machine('lab')
  return { box, place, say: (line: string) => box.say(place, line) }
}

describe('files', () => {
  it('are copied, moved and made, or it is said why not', async () => {
    const { say } = typing()
    expect((await say('mkdir -p /w/a/b; cd /w; echo hi > f; cp f a; mv f a/b/g; cat a/f a/b/g; ls; ls a')).out).toBe(
      'hi\nhi\na\nb\nf\n',
    )
    expect((await say('cd /w; cp a c; cp -r a c; ls c; rm -r c; ls')).out).toBe('b\nf\na\n')
    const refused: readonly [string, string][] = [
      ['cp nof x', "cp: cannot stat 'nof': No such file or directory\n"],
      ['cp a x', "cp: -r not specified; omitting directory 'a'\n"],
      ['cp a/f', "cp: missing destination file operand after 'a/f'\nTry 'cp --help' for more information.\n"],
      ['cp a/f a/f nodir', "cp: target 'nodir': No such file or directory\n"],
      ['cp a/f nodir/', "cp: cannot create regular file 'nodir/': Not a directory\n"],
      ['cp a/f a/f', "cp: 'a/f' and 'a/f' are the same file\n"],
      ['mv nof x', "mv: cannot stat 'nof': No such file or directory\n"],
      ['mkdir a', 'mkdir: cannot create directory ‘a’: File exists\n'],
      ['mkdir q/r/s', 'mkdir: cannot create directory ‘q/r/s’: No such file or directory\n'],
      ['mkdir', "mkdir: missing operand\nTry 'mkdir --help' for more information.\n"],
      ['touch nodir/x', "touch: cannot touch 'nodir/x': No such file or directory\n"],
      ['rmdir d2', "rmdir: failed to remove 'd2': No such file or directory\n"],
      ['rm a', "rm: cannot remove 'a': Is a directory\n"],
    ]
    for (const [line, err] of refused) expect(await say(`cd /w; ${line}`)).toMatchObject({ out: '', err, code: 1 })
    expect((await say('cd /w; mkdir e; touch e/x; rm e/x; ls; rmdir e; ls')).out).toBe('a\ne\na\n')
  })

  it("BusyBox's say it in their own words", async () => {
    const { say } = typing(busyboxCommands())
    expect((await say('cp nof x; mv nof x; mkdir d d; touch nodir/x; cp d x')).err).toBe(
      [
        "cp: can't stat 'nof': No such file or directory",
        "mv: can't rename 'nof': No such file or directory",
        "mkdir: can't create directory 'd': File exists",
        'touch: nodir/x: No such file or directory',
        "cp: omitting directory 'd'",
        '',
      ].join('\n'),
    )
  })
})

describe('bytes', () => {
  it('xxd and hexdump -C', async () => {
    const { say } = typing()
    const { out } = await say(
      "printf 'hello\\nworld 123 abc def\\n' > f; xxd f; xxd -p f; xxd -l 4 f; xxd -c 8 f; hexdump -C f",
    )
    expect(out).toBe(
      [
        '00000000: 6865 6c6c 6f0a 776f 726c 6420 3132 3320  hello.world 123 ',
        '00000010: 6162 6320 6465 660a                      abc def.',
        '68656c6c6f0a776f726c642031323320616263206465660a',
        '00000000: 6865 6c6c                                hell',
        '00000000: 6865 6c6c 6f0a 776f  hello.wo',
        '00000008: 726c 6420 3132 3320  rld 123 ',
        '00000010: 6162 6320 6465 660a  abc def.',
        '00000000  68 65 6c 6c 6f 0a 77 6f  72 6c 64 20 31 32 33 20  |hello.world 123 |',
        '00000010  61 62 63 20 64 65 66 0a                           |abc def.|',
        '00000018',
        '',
      ].join('\n'),
    )
  })

  it('md5sum is MD5, of any bytes', async () => {
    const { say } = typing()
    expect((await say('echo a | md5sum')).out).toBe('60b725f10c9c85c70d97880dfe8191b3  -\n')
    expect((await say('md5sum nof')).err).toBe('md5sum: nof: No such file or directory\n')
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(md5Hex(bytes)).toBe(createHash('md5').update(bytes).digest('hex'))
      }),
    )
  })
})

describe('grep', () => {
  it('stops after as many lines as are wanted', async () => {
    const { box, say } = typing()
    expect((await say('printf "a1\\nb\\na2\\na3\\n" | grep -m 2 a; echo $?')).out).toBe('a1\na2\n0\n')
    expect((await say('echo a | grep -m x a')).err).toBe('grep: invalid max count\n')
    await box.rest()
  })
})

describe('processes', () => {
  it('are found and killed by name', async () => {
    const { box, say } = typing()
    const { out } = await say(
      'sleep 50 & pgrep -a sleep; pgrep -c sleep; pkill -e -f "^sleep 50"; pgrep sleep; echo $?',
    )
    expect(out).toMatch(/^(\d+) sleep 50\n1\nsleep killed \(pid \1\)\n1\n$/)
    expect((await say('pgrep')).err).toBe(
      "pgrep: no matching criteria specified\nTry `pgrep --help' for more information.\n",
    )
    await box.rest()
  })

  it('uptime counts from the beginning of the world', async () => {
    const { box, say } = typing()
    await box.runner.runFor(3661 * SECOND)
    expect((await say('uptime; uptime -p; uptime -s')).out).toBe(
      ' 01:01:01 up  1:01,  0 user,  load average: 0.00, 0.00, 0.00\nup 1 hour, 1 minute\n2026-01-01 00:00:00\n',
    )
  })
})

describe('watch', () => {
  it('says again and again what a command says, under a title of eighty columns', async () => {
    const { say } = typing()
    const { out, code } = await say('timeout 1.5 watch -n 1 echo hi')
    const title = (second: number) =>
      `Every 1.0s: echo hi${' '.repeat(32)}lab: Thu Jan  1 00:00:0${second} 2026\n\nhi\n`
    expect(out).toBe(`${title(0)}\n${title(1)}`)
    expect(code).toBe(124)
    expect((await say('timeout 1 watch "echo a; sleep 1; echo xxxxxxxxxxxxxxxxxxxxxxxx"')).out).toMatch(
      /^Every 2\.0s: echo a; sleep 1; echo xxxxxxxxxxxx\.\.\. {2}lab: /,
    )
  })

  it('-g ends when the answer changes', async () => {
    const { say } = typing()
    const { code, took } = await say('(sleep 2.5; echo b > f) & echo a > f; watch -g -n 1 cat f')
    expect([code, took]).toEqual([0, 3 * SECOND])
  })

  it('refuses what it cannot do', async () => {
    const { say } = typing()
    expect(await say('watch -d ls')).toMatchObject({ code: 2, err: 'podwire: watch -d is not modelled\n' })
    expect((await say('watch -n x ls')).err).toBe("watch: failed to parse argument: 'x': Invalid argument\n")
  })
})

describe('time', () => {
  it("is bash's word, and BusyBox's applet", async () => {
    const { say } = typing()
    expect(await say("bash -c 'time sleep 61.5 | cat; echo $?'")).toMatchObject({
      out: '0\n',
      err: '\nreal\t1m1.500s\nuser\t0m0.000s\nsys\t0m0.000s\n',
    })
    expect((await say("bash -c 'time -p sleep 0.25'")).err).toBe('real 0.25\nuser 0.00\nsys 0.00\n')
    const { err, took } = await say('busybox time sleep 0.1')
    expect([err, took]).toEqual(['real\t0m 0.10s\nuser\t0m 0.00s\nsys\t0m 0.00s\n', 100 * MILLISECOND])
    expect((await say('time sleep 1')).err).toBe('sh: 1: time: not found\n')
  })
})
