/** Which commands are installed where: Debian's tools on machines, BusyBox's in small images. */
import type { Program } from '../process.ts'
import { shell } from '../shell.ts'
import { python3 } from './apps/table.ts'
import { arping } from './arping.ts'
import { busyboxPing } from './busybox-ping.ts'
import * as core from './coreutils.ts'
import { curl } from './curl.ts'
import { busyboxNslookup, dig, getent, host, nslookup } from './dns-tools.ts'
import { cp, mkdir, mv, rmdir, touch } from './file-changes.ts'
import { ls, rm } from './file-tools.ts'
import { grep } from './grep.ts'
import { hexdump, xxd } from './hex-dump.ts'
import { iperf3 } from './iperf3.ts'
import { iprouteCommands } from './iproute.ts'
import { busyboxNc, nc } from './nc.ts'
import { nstat } from './nstat.ts'
import { ping } from './ping.ts'
import { pgrep, pkill, uptime } from './process-tools.ts'
import { sed } from './sed.ts'
import * as text from './text-tools.ts'
import { tracepath } from './tracepath.ts'
import { busyboxTraceroute, traceroute } from './traceroute.ts'
import { busyboxWatch, watch } from './watch.ts'
import { wget } from './wget.ts'
import { busyboxWget } from './wget-busybox.ts'

export type Programs = ReadonlyMap<string, Program>

const truth: Program = async () => 0
const falsehood: Program = async () => 1

/** coreutils, and what every system has. */
const everywhere: Readonly<Record<string, Program>> = {
  true: truth,
  false: falsehood,
  echo: core.echo,
  printf: core.printf,
  cat: core.cat,
  ls,
  sleep: core.sleep,
  hostname: core.hostname,
  env: core.env,
  printenv: core.printenv,
  test: core.test,
  '[': core.test,
  date: core.date,
  id: core.id,
  whoami: core.whoami,
  uname: core.uname,
  pwd: core.pwd,
  kill: core.kill,
  timeout: core.timeout,
  which: core.which,
  head: text.head,
  tail: text.tail,
  grep,
  wc: text.wc,
  sed,
  cut: text.cut,
  sort: text.sort,
  uniq: text.uniq,
  tr: text.tr,
  seq: text.seq,
  xargs: text.xargs,
  tee: text.tee,
  base64: text.base64,
  sha256sum: text.sha256sum,
  md5sum: text.md5sum,
  rm,
  rmdir,
  less: core.cat,
  more: core.cat,
  xxd,
  hexdump,
  pgrep,
  pkill,
  uptime,
}

const { 'busybox-ifconfig': busyboxIfconfig, 'busybox-dmesg': busyboxDmesg, ...iproute } = iprouteCommands

/** BusyBox's own programs, by the names under which `busybox NAME` runs them. */
const applets: Readonly<Record<string, Program>> = {
  ...everywhere,
  sh: shell('busybox'),
  ash: shell('busybox'),
  ps: core.busyboxPs,
  cp: cp('busybox'),
  mv: mv('busybox'),
  mkdir: mkdir('busybox'),
  touch: touch('busybox'),
  watch: busyboxWatch,
  time: core.busyboxTime,
  ping: busyboxPing,
  nslookup: busyboxNslookup,
  wget: busyboxWget,
  nc: busyboxNc,
  traceroute: busyboxTraceroute,
  ...pick(iprouteCommands, ['ip', 'arp', 'route', 'netstat', 'sysctl']),
  ...(busyboxIfconfig === undefined ? {} : { ifconfig: busyboxIfconfig }),
  ...(busyboxDmesg === undefined ? {} : { dmesg: busyboxDmesg }),
}

/** `busybox APPLET ARGS`. */
export const busybox: Program = async (self) => {
  const [, name, ...rest] = self.args
  if (name === undefined || name === '--help' || name === '--list') {
    self.out(
      `BusyBox v1.36.1 multi-call binary.\n\nCurrently defined functions:\n\t${Object.keys(applets).sort().join(', ')}\n`,
    )
    return 0
  }
  const applet = Object.hasOwn(applets, name) ? applets[name] : undefined
  if (applet === undefined) {
    self.err(`${name}: applet not found\n`)
    return 127
  }
  return self.fork(applet, [name, ...rest]).exit
}

function pick(from: Readonly<Record<string, Program>>, names: readonly string[]): Record<string, Program> {
  return Object.fromEntries(names.flatMap((name) => (Object.hasOwn(from, name) ? [[name, from[name]]] : [])))
}

/** Tools that people know and podwire does not have: better said than "not found". */
const missing = (
  'apt apt-get awk brctl clear ctstat diff find free fuser history ifdown iftop ifup ' +
  'iwconfig journalctl lnstat lsmod lsof mii-tool modprobe mtr nano ncat ' +
  'nft ngrep nmap nmcli od openssl rtacct socat stat strace systemctl telnet top ' +
  'tshark vconfig vi vim w who whois'
).split(' ')

function unmodelled(name: string): Program {
  return async (self) => {
    self.err(`podwire: ${name} is not modelled\n`)
    return 2
  }
}

const linux: Programs = new Map<string, Program>(
  Object.entries({
    ...Object.fromEntries(missing.map((name) => [name, unmodelled(name)])),
    ...everywhere,
    sh: shell('dash'),
    dash: shell('dash'),
    bash: shell('bash'),
    ps: core.ps,
    cp: cp('gnu'),
    mv: mv('gnu'),
    mkdir: mkdir('gnu'),
    touch: touch('gnu'),
    watch,
    ping,
    arping,
    tracepath,
    traceroute,
    curl,
    wget,
    nc,
    netcat: nc,
    iperf3,
    nslookup,
    dig,
    host,
    getent,
    nstat,
    busybox,
    python3,
    ...iproute,
  }),
)

const small: Programs = new Map<string, Program>(Object.entries({ ...applets, getent, busybox }))

/** A Debian machine with the usual network tools: iputils, curl, BIND's, iproute2, iptables, conntrack. */
export function linuxCommands(): Programs {
  return linux
}

/** An Alpine or BusyBox image. */
export function busyboxCommands(): Programs {
  return small
}
