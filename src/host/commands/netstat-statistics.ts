/** `netstat -s`: /proc/net/snmp and /proc/net/netstat in net-tools' words. */
import type { Netns } from '../../net/netns.ts'
import { netstat, snmp } from '../proc-snmp.ts'

/** How a counter is shown: `#` is its number. What is 0 is left out, unless the text begins with `=`. */
type Words = Readonly<Record<string, string>>

const ip: Words = {
  Forwarding: '=Forwarding: #',
  DefaultTTL: '',
  InReceives: '=# total packets received',
  InHdrErrors: '# with invalid headers',
  InAddrErrors: '# with invalid addresses',
  ForwDatagrams: '=# forwarded',
  InUnknownProtos: '# with unknown protocol',
  InDiscards: '=# incoming packets discarded',
  InDelivers: '=# incoming packets delivered',
  OutRequests: '=# requests sent out',
  OutDiscards: '# outgoing packets dropped',
  OutNoRoutes: '# dropped because of missing route',
  ReasmTimeout: '# fragments dropped after timeout',
  ReasmReqds: '# reassemblies required',
  ReasmOKs: '# packets reassembled ok',
  ReasmFails: '# packet reassemblies failed',
  FragOKs: '# fragments received ok',
  FragFails: '# fragments failed',
  FragCreates: '# fragments created',
}

const INPUT = '    ICMP input histogram:'
const OUTPUT = '    ICMP output histogram:'

const icmp: Words = {
  InMsgs: '=# ICMP messages received',
  InErrors: '=# input ICMP message failed',
  InDestUnreachs: '>destination unreachable: #',
  InTimeExcds: '>timeout in transit: #',
  InParmProbs: '>wrong parameters: #',
  InSrcQuenchs: '>source quenches: #',
  InRedirects: '>redirects: #',
  InEchos: '>echo requests: #',
  InEchoReps: '>echo replies: #',
  InTimestamps: '>timestamp request: #',
  InTimestampReps: '>timestamp reply: #',
  InAddrMasks: '>address mask request: #',
  InAddrMaskReps: '>address mask replies: #',
  OutMsgs: '=# ICMP messages sent',
  OutErrors: '=# ICMP messages failed',
  OutDestUnreachs: '>destination unreachable: #',
  OutTimeExcds: '>time exceeded: #',
  OutParmProbs: '>wrong parameters: #',
  OutSrcQuenchs: '>source quench: #',
  OutRedirects: '>redirect: #',
  OutEchos: '>echo requests: #',
  OutEchoReps: '>echo replies: #',
  OutTimestamps: '>timestamp requests: #',
  OutTimestampReps: '>timestamp replies: #',
  OutAddrMasks: '>address mask requests: #',
  OutAddrMaskReps: '>address mask replies: #',
}

const tcp: Words = {
  RtoAlgorithm: '',
  RtoMin: '',
  RtoMax: '',
  MaxConn: '',
  ActiveOpens: '=# active connection openings',
  PassiveOpens: '=# passive connection openings',
  AttemptFails: '=# failed connection attempts',
  EstabResets: '=# connection resets received',
  CurrEstab: '=# connections established',
  InSegs: '=# segments received',
  OutSegs: '=# segments sent out',
  RetransSegs: '=# segments retransmitted',
  InErrs: '=# bad segments received',
  OutRsts: '=# resets sent',
}

const udp: Words = {
  InDatagrams: '=# packets received',
  NoPorts: '=# packets to unknown port received',
  InErrors: '=# packet receive errors',
  OutDatagrams: '=# packets sent',
  RcvbufErrors: '=# receive buffer errors',
  SndbufErrors: '=# send buffer errors',
}

const tcpExt: Words = {
  TW: '# TCP sockets finished time wait in fast timer',
  DelayedACKs: '# delayed acks sent',
  TCPHPHits: '=# packet headers predicted',
  TCPFastRetrans: '# fast retransmits',
}

/** The sections that a letter chooses; the others are always shown. */
const sections: Readonly<Record<string, { readonly words: Words; readonly letter: string }>> = {
  Ip: { words: ip, letter: 'w' },
  Icmp: { words: icmp, letter: 'w' },
  Tcp: { words: tcp, letter: 't' },
  Udp: { words: udp, letter: 'u' },
  TcpExt: { words: tcpExt, letter: 't' },
}

/** `letters` are those of -t, -u and -w that were given; none means all. */
export function statistics(netns: Netns, letters: ReadonlySet<string>): string {
  let text = ''
  const lines = `${snmp(netns)}${netstat(netns)}`.trimEnd().split('\n')
  for (let at = 0; at + 1 < lines.length; at += 2) {
    const [title, ...names] = lines[at].split(' ')
    const values = lines[at + 1].split(' ').slice(1)
    const section = sections[title.slice(0, -1)]
    if (section !== undefined && letters.size > 0 && !letters.has(section.letter)) continue
    text += `${title}\n${sectionText(names, values, section?.words ?? {}, title === 'IcmpMsg:')}`
  }
  return text
}

function sectionText(names: readonly string[], values: readonly string[], words: Words, deep: boolean): string {
  let text = ''
  for (const [i, name] of names.entries()) {
    const value = values[i]
    const known = Object.hasOwn(words, name) ? words[name] : null
    if (known?.startsWith('>') === true) {
      if (name === 'InDestUnreachs') text += `${INPUT}\n`
      if (name === 'OutDestUnreachs') text += `${OUTPUT}\n`
      if (value !== '0') text += `        ${known.slice(1).replace('#', value)}\n`
    } else if (known === null) {
      if (value !== '0') text += `${deep ? '        ' : '    '}${name}: ${value}\n`
    } else if (known.startsWith('=')) text += `    ${known.slice(1).replace('#', value)}\n`
    else if (known !== '' && value !== '0') text += `    ${known.replace('#', value)}\n`
  }
  return text
}
