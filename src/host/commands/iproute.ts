/** The commands that look at a host's network and set it up, by name. */
import type { Program } from '../process.ts'
import { arp } from './arp.ts'
import { bridge } from './bridge.ts'
import { conntrack } from './conntrack.ts'
import { busyboxDmesg, dmesg } from './dmesg.ts'
import { ethtool } from './ethtool.ts'
import { busyboxIfconfig, ifconfig } from './ifconfig.ts'
import { ip } from './ip.ts'
import { ipset } from './ipset.ts'
import {
  iptables,
  iptablesLegacy,
  iptablesLegacyRestore,
  iptablesLegacySave,
  iptablesRestore,
  iptablesSave,
} from './iptables.ts'
import { ipvsadm } from './ipvsadm.ts'
import { netstat } from './netstat.ts'
import { nft } from './nft.ts'
import { route } from './route.ts'
import { ss } from './ss.ts'
import { sysctl } from './sysctl.ts'
import { tc } from './tc.ts'
import { tcpdump } from './tcpdump.ts'
import { tcpreplay } from './tcpreplay.ts'

/** `busybox-ifconfig` is what small images call ifconfig, and so with dmesg. */
export const iprouteCommands: Record<string, Program> = {
  ip,
  bridge,
  tc,
  ss,
  ifconfig,
  'busybox-ifconfig': busyboxIfconfig,
  arp,
  route,
  netstat,
  sysctl,
  iptables,
  'iptables-save': iptablesSave,
  'iptables-restore': iptablesRestore,
  'iptables-nft': iptables,
  'iptables-nft-save': iptablesSave,
  'iptables-nft-restore': iptablesRestore,
  'iptables-legacy': iptablesLegacy,
  'iptables-legacy-save': iptablesLegacySave,
  'iptables-legacy-restore': iptablesLegacyRestore,
  ipset,
  ipvsadm,
  nft,
  conntrack,
  ethtool,
  tcpdump,
  tcpreplay,
  dmesg,
  'busybox-dmesg': busyboxDmesg,
}
