import { describe, expect, it } from 'vitest'
import { nc } from '../../../src/host/commands/nc.ts'
import { traceroute } from '../../../src/host/commands/traceroute.ts'
import { shell } from '../../../src/host/shell.ts'
import { Box, transcript } from '../box.ts'

const programs = new Map(Object.entries({ sh: shell('dash'), nc, traceroute }))

// Sentences and exit codes of traceroute 2.1.2 and OpenBSD's nc 1.219 in Debian 12.
describe('a command line that is refused', () => {
  it.each([
    ['traceroute -q x 10.0.0.2', 2, "Cannot handle `-q' option with arg `x' (argc 2)\n"],
    ['traceroute -n -q3x 10.0.0.2', 2, "Cannot handle `-q' option with arg `3x' (argc 2)\n"],
    ['traceroute --queries=x 10.0.0.2', 2, "Cannot handle `--queries' option with arg `x' (argc 1)\n"],
    ['traceroute -n -Q 10.0.0.2', 2, "Bad option `-Q' (argc 2)\n"],
    ['traceroute --frob 10.0.0.2', 2, "Bad option `--frob' (argc 1)\n"],
    ['traceroute -n -m', 2, "Option `-m' (argc 2) requires an argument: `-m max_ttl'\n"],
    ['traceroute -nqx 10.0.0.2', 2, "Option `-q' (argc 1) requires an argument: `-q nqueries'\n"],
    ['traceroute --max-hops 1 h', 2, "Option `--max-hops' (argc 1) requires an argument: `--max-hops=max_ttl'\n"],
    ['traceroute -m 300 10.0.0.2', 2, 'max hops cannot be more than 255\n'],
    ['traceroute -f 5 -m 4 10.0.0.2', 2, 'first hop out of range\n'],
    ['traceroute -q 11 10.0.0.2', 2, 'no more than 10 probes per hop\n'],
    ['traceroute -w -1 10.0.0.2', 2, "bad wait specifications `-1,0,0' used\n"],
    ['traceroute 10.0.0.2 70000', 2, 'too big packetlen 70000 specified\n'],
    ['traceroute -n 10.0.0.2 x', 2, 'Cannot handle "packetlen" cmdline arg `x\' on position 2 (argc 3)\n'],
    ['traceroute -n 10.0.0.2 5 7', 2, "Extra arg `7' (position 3, argc 4)\n"],
    ['traceroute -T 10.0.0.2', 2, 'podwire: traceroute -T is not modelled\n'],
    ['nc 10.0.0.2', 1, 'nc: missing port number\n'],
    ['nc -w x 10.0.0.2 80', 1, 'nc: timeout invalid: x\n'],
    ['nc -w -1 10.0.0.2 80', 1, 'nc: timeout too small: -1\n'],
    ['nc -q x 10.0.0.2 80', 1, 'nc: quit timer invalid: x\n'],
    ['nc -z 10.0.0.2 70000', 1, 'nc: port number too large: 70000\n'],
    ['nc -z 10.0.0.2 0', 1, 'nc: port number too small: 0\n'],
    ['nc -z 10.0.0.2 x', 1, 'nc: port number invalid: x\n'],
    ['nc -k 10.0.0.2 80', 1, 'nc: must use -l with -k\n'],
    ['nc -l -z 80', 1, 'nc: cannot use -z and -l\n'],
    ['nc -l', 1, 'nc: missing port number\n'],
    ['nc -p x 10.0.0.2 80', 1, 'nc: getaddrinfo: Servname not supported for ai_socktype\n'],
    ['nc -s 10.9.9.9 -v 10.0.0.2 80', 1, 'nc: bind failed: Cannot assign requested address\n'],
    ['nc -l 10.9.9.9 80', 1, 'nc: Cannot assign requested address\n'],
    ['nc -u -z -v 10.0.0.2 53', 1, ''],
    ['nc -s name 10.0.0.2 80', 2, 'podwire: nc -s with a name is not modelled\n'],
    ['nc -X 5 10.0.0.2 80', 2, 'podwire: nc -X is not modelled\n'],
  ])('%s', async (line, code, words) => {
    const box = new Box(programs)
    const [a] = box.pair()
    const { io, text } = transcript()
    const exit = await box.runner.until(a.place.shell(line, io).exit)
    expect({ code: exit, text: text() }).toEqual({ code, text: words })
    await box.rest()
  })
})
