/** nstat(8) of iproute2 6.1: what has been counted since nstat was last asked, from /proc/net/snmp and netstat. */
import { getopt, has } from '../getopt.ts'
import { netstat, snmp } from '../proc-snmp.ts'
import type { Process } from '../process.ts'
import { ToolError, tool } from './ip-words.ts'

const missing = ['d', 't', 'j', 'p']

/** Not counters: nstat leaves them out. */
const skipped = [
  'IpForwarding',
  'IpDefaultTTL',
  'TcpRtoAlgorithm',
  'TcpRtoMin',
  'TcpRtoMax',
  'TcpMaxConn',
  'TcpCurrEstab',
]

/** What each namespace had counted when it was last asked: the history file, /tmp/.nstat.u0. */
const histories = new WeakMap<object, ReadonlyMap<string, number>>()

export const nstat = tool(async (self) => {
  const long = {
    ignore: 'a',
    zeros: 'z',
    reset: 'r',
    nooutput: 'n',
    noupdate: 's',
    json: 'j',
    pretty: 'p',
    version: 'V',
  }
  const found = getopt(self.args.slice(1), 'hVzrnasd:t:jp', long)
  if (found.problem !== null) throw new ToolError(usage(found.problem.option.slice(1)), 255)
  if (has(found, 'V')) {
    self.out('nstat utility, iproute2-6.1.0\n')
    return 0
  }
  for (const option of missing)
    if (has(found, option)) throw new ToolError(`podwire: nstat -${option} is not modelled`, 2)
  const now = counters(self)
  const before = has(found, 'a') || has(found, 'r') ? null : (histories.get(self.netns) ?? null)
  if (!has(found, 's')) histories.set(self.netns, now)
  if (has(found, 'n')) return 0
  const patterns = found.rest.map(shellPattern)
  self.out('#kernel\n')
  for (const [name, value] of now) {
    const more = value - (before?.get(name) ?? 0)
    const wanted = patterns.length === 0 || patterns.some((pattern) => pattern.test(name))
    if (!wanted || (more === 0 && !has(found, 'z'))) continue
    self.out(`${name.padEnd(31)} ${String(more).padEnd(18)} 0.0\n`)
  }
  return 0
})

function usage(letter: string): string {
  return (
    `nstat: invalid option -- '${letter}'\nUsage: nstat [OPTION] [ PATTERN [ PATTERN ] ]\n   -h, --help          this message\n` +
    '   -a, --ignore        ignore history\n   -d, --scan=SECS     sample every statistics every SECS\n' +
    '   -j, --json          format output in JSON\n   -n, --nooutput      do history only\n' +
    '   -p, --pretty        pretty print\n   -r, --reset         reset history\n' +
    "   -s, --noupdate      don't update history\n   -t, --interval=SECS report average over the last SECS\n" +
    '   -V, --version       output version information\n   -z, --zeros         show entries with zero activity'
  )
}

function counters(self: Process): Map<string, number> {
  const all = new Map<string, number>()
  const lines = `${snmp(self.netns)}${netstat(self.netns)}`.trimEnd().split('\n')
  for (let at = 0; at + 1 < lines.length; at += 2) {
    const [title, ...names] = lines[at].split(' ')
    const values = lines[at + 1].split(' ').slice(1)
    for (const [i, name] of names.entries()) {
      const whole = title.slice(0, -1) + name
      if (!skipped.includes(whole)) all.set(whole, Number(values[i]))
    }
  }
  return all
}

/** `Tcp*`: fnmatch(3), whatever the case. */
function shellPattern(text: string): RegExp {
  const escaped = text.replace(/[.+^${}()|\\]/g, '\\$&')
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 'i')
}
