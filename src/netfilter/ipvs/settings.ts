/** net.ipv4.vs.* (Documentation/networking/ipvs-sysctl.rst), as far as they are modelled, and the time-outs. */
import { SECOND } from '../../sim/scheduler.ts'
import { TcpState, tcpTimeouts, UDP_TIMEOUT } from './states.ts'

export const PREFIX = 'net.ipv4.vs.'

/** Of every switch the default and the largest value. */
export const ipvsSwitches: Readonly<Record<string, readonly [initial: number, most: number]>> = {
  am_droprate: [10, 2_147_483_647],
  amemthresh: [1024, 2_147_483_647],
  backup_only: [0, 2_147_483_647],
  cache_bypass: [0, 2_147_483_647],
  conn_reuse_mode: [1, 2_147_483_647],
  conntrack: [0, 2_147_483_647],
  drop_entry: [0, 3],
  drop_packet: [0, 3],
  expire_nodest_conn: [0, 2_147_483_647],
  expire_quiescent_template: [0, 2_147_483_647],
  ignore_tunneled: [0, 2_147_483_647],
  nat_icmp_send: [0, 2_147_483_647],
  pmtu_disc: [1, 2_147_483_647],
  run_estimation: [1, 2_147_483_647],
  schedule_icmp: [0, 2_147_483_647],
  secure_tcp: [0, 3],
  sloppy_tcp: [0, 2_147_483_647],
  snat_reroute: [1, 2_147_483_647],
}

/** Those of them that nothing reads here. */
export const unusedSwitches: readonly string[] = [
  'am_droprate',
  'amemthresh',
  'backup_only',
  'cache_bypass',
  'drop_entry',
  'drop_packet',
  'ignore_tunneled',
  'pmtu_disc',
  'run_estimation',
  'schedule_icmp',
  'secure_tcp',
  'snat_reroute',
]

export class IpvsSettings {
  /** Connections keep conntrack's entries, and change them to lead to the real server. */
  conntrack = false
  /** Connections to a server that is gone end with their next packet. */
  expireNoServer = false
  /** A template that leads to a server of weight 0 counts no more. */
  expireQuiescentTemplate = false
  /** 1: a SYN in TIME_WAIT is a new connection; 2: in FIN_WAIT too, of connections seen in one direction. */
  reuseMode = 1
  /** A connection may begin with any segment. */
  sloppyTcp = false
  /** A real server that sends what belongs to no connection is told so. */
  natIcmpSend = false
  /** Nanoseconds, by TCP state. */
  readonly tcp = Float64Array.from(tcpTimeouts, (seconds) => seconds * SECOND)
  readonly udp = Float64Array.of(UDP_TIMEOUT * SECOND)

  set(name: string, value: number): void {
    switch (name.slice(PREFIX.length)) {
      case 'conntrack':
        this.conntrack = value !== 0
        return
      case 'expire_nodest_conn':
        this.expireNoServer = value !== 0
        return
      case 'expire_quiescent_template':
        this.expireQuiescentTemplate = value !== 0
        return
      case 'conn_reuse_mode':
        this.reuseMode = value
        return
      case 'sloppy_tcp':
        this.sloppyTcp = value !== 0
        return
      case 'nat_icmp_send':
        this.natIcmpSend = value !== 0
    }
  }

  /** `ipvsadm --set`, in seconds; 0 leaves a time-out as it is. */
  setTimeouts(tcp: number, fin: number, udp: number): void {
    if (tcp > 0) this.tcp[TcpState.ESTABLISHED] = tcp * SECOND
    if (fin > 0) this.tcp[TcpState.FIN_WAIT] = fin * SECOND
    if (udp > 0) this.udp[0] = udp * SECOND
  }

  /** In seconds: established TCP, TCP after a FIN, UDP. */
  get timeouts(): readonly [tcp: number, fin: number, udp: number] {
    return [this.tcp[TcpState.ESTABLISHED] / SECOND, this.tcp[TcpState.FIN_WAIT] / SECOND, this.udp[0] / SECOND]
  }
}
