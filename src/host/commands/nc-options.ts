/** What OpenBSD's nc (Debian 1.219) refuses of its command line, in its words. */
import { servicePort } from '../../netfilter/services.ts'
import { has, type Options, valueOf } from '../getopt.ts'

export const USAGE = `usage: nc [-46CDdFhklNnrStUuvZz] [-I length] [-i interval] [-M ttl]
\t  [-m minttl] [-O length] [-P proxy_username] [-p source_port]
\t  [-q seconds] [-s sourceaddr] [-T keyword] [-V rtable] [-W recvlimit]
\t  [-w timeout] [-X proxy_protocol] [-x proxy_address[:port]]
\t  [destination] [port]
`

export const NC_HELP = `OpenBSD netcat (Debian patchlevel 1.219-1)
${USAGE}	Command Summary:
		-4		Use IPv4
		-6		Use IPv6
		-b		Allow broadcast
		-C		Send CRLF as line-ending
		-D		Enable the debug socket option
		-d		Detach from stdin
		-F		Pass socket fd
		-h		This help text
		-I length	TCP receive buffer length
		-i interval	Delay interval for lines sent, ports scanned
		-k		Keep inbound sockets open for multiple connects
		-l		Listen mode, for inbound connects
		-M ttl		Outgoing TTL / Hop Limit
		-m minttl	Minimum incoming TTL / Hop Limit
		-N		Shutdown the network socket after EOF on stdin
		-n		Suppress name/port resolutions
		-O length	TCP send buffer length
		-P proxyuser	Username for proxy authentication
		-p port		Specify local port for remote connects
		-q secs		quit after EOF on stdin and delay of secs
		-r		Randomize remote ports
		-S		Enable the TCP MD5 signature option
		-s sourceaddr	Local source address
		-T keyword	TOS value
		-t		Answer TELNET negotiation
		-U		Use UNIX domain socket
		-u		UDP mode
		-V rtable	Specify alternate routing table
		-v		Verbose
		-W recvlimit	Terminate after receiving a number of packets
		-w timeout	Timeout for connects and final net reads
		-X proto	Proxy protocol: "4", "5" (SOCKS) or "connect"
		-x addr[:port]	Specify proxy address and port
		-Z		DCCP mode
		-z		Zero-I/O mode [used for scanning]
	Port numbers can be individual or ranges: lo-hi [inclusive]
`

/** Options of the real one that are not among podwire's. */
const missing = '6FIiMmOPrSTUVWXxZ'

/** Null when there is nothing to complain about; `listen` takes its own port. */
export function refusedNc(found: Options): string | null {
  if (found.problem !== null) {
    const { kind, option } = found.problem
    const letter = option.slice(1)
    if (kind === 'missing') return `nc: option requires an argument -- '${letter}'\n${USAGE}`
    if (letter === 'V') return 'nc: no alternate routing table support available\n'
    return missing.includes(letter)
      ? `podwire: nc ${option} is not modelled\n`
      : `nc: invalid option -- '${letter}'\n${USAGE}`
  }
  const wait = valueOf(found, 'w')
  if (wait !== null && !isInteger(wait)) return `nc: timeout invalid: ${wait}\n`
  if (wait !== null && Number(wait) < 0) return `nc: timeout too small: ${wait}\n`
  const quit = valueOf(found, 'q')
  if (quit !== null && !isInteger(quit)) return `nc: quit timer invalid: ${quit}\n`
  const { length } = found.rest
  if (has(found, 'l')) {
    if (length > 2 || (valueOf(found, 'p') !== null && length > 0)) return USAGE
    if (length === 0 && valueOf(found, 'p') === null) return 'nc: missing port number\n'
    if (valueOf(found, 's') !== null && length > 0) return USAGE
    if (has(found, 'z')) return 'nc: cannot use -z and -l\n'
  } else {
    if (length === 0) return USAGE
    if (length === 1) return 'nc: missing port number\n'
    if (has(found, 'k')) return 'nc: must use -l with -k\n'
  }
  return badService(valueOf(found, 'p')) ? 'nc: getaddrinfo: Servname not supported for ai_socktype\n' : null
}

/** The ports to try, from low to high whichever way they were written, or a complaint. */
export function portsOf(text: string): readonly [low: number, high: number] | string {
  const [, low, high] = /^([^-]+)(?:-(.+))?$/.exec(text) ?? ['', text]
  for (const port of high === undefined ? [low] : [low, high]) {
    const known = high === undefined ? servicePort(port) : null
    if (known !== null) return [known, known]
    if (!isInteger(port)) return `nc: port number invalid: ${port}\n`
    if (Number(port) < 1) return `nc: port number too small: ${port}\n`
    if (Number(port) > 65_535) return `nc: port number too large: ${port}\n`
  }
  const ends = [Number(low), Number(high ?? low)]
  return [Math.min(...ends), Math.max(...ends)]
}

/** Which of nc's own addresses is not written in digits; null when all are. */
export function unknownSource(found: Options): string | null {
  const address = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/
  if (!address.test(valueOf(found, 's') ?? '0.0.0.0')) return '-s'
  if (has(found, 'l') && found.rest.length > 1 && !address.test(found.rest[0])) return '-l'
  return null
}

function badService(port: string | null): boolean {
  return port !== null && !/^\d+$/.test(port)
}

function isInteger(text: string): boolean {
  return /^[+-]?\d+$/.test(text)
}
