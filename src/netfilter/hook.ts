/**
 * The five places where IPv4 asks netfilter about a packet (NF_INET_* in linux/netfilter.h):
 *
 *   device ──► PREROUTING ──► route? ──────► FORWARD ──────► POSTROUTING ──► device
 *              raw       -300   │            mangle -150     mangle  -150  ▲
 *              conntrack -200   │            filter    0     nat src  100  │
 *              mangle    -150   ▼                            confirm  max  │
 *              nat dst   -100  INPUT                                       │
 *                              mangle -150                 OUTPUT ─────────┘
 *                              filter    0                 raw -300, conntrack -200, mangle -150,
 *                              nat src 100                 nat dst -100, filter 0
 *                              confirm max                   ▲
 *                               ▼                            │
 *                             socket                       socket
 */
export const Hook = { PREROUTING: 0, INPUT: 1, FORWARD: 2, OUTPUT: 3, POSTROUTING: 4 } as const
export type Hook = (typeof Hook)[keyof typeof Hook]

/** By number; the names of the built-in chains. */
export const hookNames = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'] as const

export type TableName = 'mangle' | 'raw' | 'filter' | 'nat'

/** In the order in which iptables-nft prints them. */
export const tableNames: readonly TableName[] = ['mangle', 'raw', 'filter', 'nat']

/** Where each table has built-in chains. */
export const tableHooks: Readonly<Record<TableName, readonly Hook[]>> = {
  mangle: [Hook.PREROUTING, Hook.INPUT, Hook.FORWARD, Hook.OUTPUT, Hook.POSTROUTING],
  raw: [Hook.PREROUTING, Hook.OUTPUT],
  filter: [Hook.INPUT, Hook.FORWARD, Hook.OUTPUT],
  nat: [Hook.PREROUTING, Hook.INPUT, Hook.OUTPUT, Hook.POSTROUTING],
}

/** What is to become of a packet, or where its walk through the rules goes on. */
export const Verdict = {
  CONTINUE: 0,
  ACCEPT: 1,
  DROP: 2,
  REJECT: 3,
  RETURN: 4,
  JUMP: 5,
  GOTO: 6,
  TARGET: 7,
  /** Somebody has the frame already: nothing is left to do. */
  STOLEN: 8,
} as const
export type Verdict = (typeof Verdict)[keyof typeof Verdict]
