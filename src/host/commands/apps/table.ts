/** `python3 apps.py VERB …` and `python3 -m http.server`: the programs by name. There is no Python here, only these. */
import type { Program } from '../../process.ts'
import { dnsServerApp } from '../dns-tools.ts'
import { l2announce } from './announce.ts'
import { chat, hold, lines, probe, send, udpsend } from './clients.ts'
import { fileServer } from './file-server.ts'
import { late } from './late.ts'
import { http, proxy, sink, sinkhold, slowecho, udpecho } from './servers.ts'

const verbs: ReadonlyMap<string, Program> = new Map(
  Object.entries({
    http,
    dns: dnsServerApp,
    udpecho,
    sink,
    send,
    udpsend,
    lines,
    sinkhold,
    proxy,
    slowecho,
    chat,
    probe,
    hold,
    late,
    l2announce,
  }),
)

export const python3: Program = async (self) => {
  const [script = '', verb = '', ...rest] = self.args.slice(1)
  if (script === '-m' && verb === 'http.server') return self.fork(fileServer, ['http.server', ...rest]).exit
  if (!/(^|\/)apps\.py$/.test(script)) {
    self.err('podwire: python3 runs only -m http.server and the traffic programs of apps.py\n')
    return 2
  }
  const program = verbs.get(verb)
  if (program === undefined) {
    self.err(`podwire: apps.py ${verb === '-6' ? '-6: IPv6' : verb} is not modelled\n`)
    return 2
  }
  return self.fork(program, [verb, ...rest]).exit
}
